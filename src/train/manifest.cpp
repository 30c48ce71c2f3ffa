#include "train/manifest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

using nlohmann::json;

constexpr std::string_view kFormat = "r1 checkpoint 1";
constexpr size_t kFilesLimit = 64;

std::string checksum_of(std::string_view text) {
  Checksum sum;
  sum.add(std::as_bytes(std::span(text)));
  return sum.hex();
}

// Keys are sorted: one manifest has one text.
Result<std::string> canonical(const json& manifest) {
  try {
    return manifest.dump();
  } catch (const json::exception&) {
    return error("a value is not valid UTF-8");
  }
}

bool is_file_name(std::string_view name) {
  constexpr std::string_view kSuffix = ".safetensors";
  if (!name.ends_with(kSuffix) || name.size() == kSuffix.size()) return false;
  name.remove_suffix(kSuffix.size());
  return std::ranges::all_of(
      name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

bool is_integer(const json& j) {
  return j.is_number_integer() &&
         (!j.is_number_unsigned() || j.get<uint64_t>() <= uint64_t{INT64_MAX});
}

Result<Manifest::File> read_file_entry(const json& j) {
  if (!j.is_object() || j.size() != 3 || !j.contains("name") || !j.contains("bytes") ||
      !j.contains("xxh3_128") || !j["name"].is_string() || !is_integer(j["bytes"]) ||
      j["bytes"].get<int64_t>() < 0 || !j["xxh3_128"].is_string())
    return error("an entry of \"files\" is not {{name, bytes, xxh3_128}}");
  Manifest::File file{j["name"], j["bytes"].get<uint64_t>(), j["xxh3_128"]};
  if (!is_file_name(file.name)) return error("\"{}\" is no name of a file here", file.name);
  return file;
}

Result<StateValue> read_value(const std::string& key, const json& j) {
  if (is_integer(j)) return StateValue(j.get<int64_t>());
  if (j.is_number_float()) return StateValue(j.get<double>());
  if (j.is_string()) return StateValue(j.get<std::string>());
  return error("value {}: neither a number nor text", key);
}

}  // namespace

Result<std::string> manifest_text(const Manifest& manifest) {
  json j = {{"format", kFormat}, {"step", manifest.step}};
  j["score"] = manifest.score ? json(*manifest.score) : json();
  j["values"] = json::object();
  for (const auto& [key, value] : manifest.values) {
    if (const auto* number = std::get_if<double>(&value); number && !std::isfinite(*number))
      return error("value {}: {} is not finite", key, *number);
    json& to = j["values"][key];
    std::visit([&](const auto& v) { to = v; }, value);
  }
  j["files"] = json::array();
  for (const Manifest::File& f : manifest.files)
    j["files"].push_back({{"name", f.name}, {"bytes", f.bytes}, {"xxh3_128", f.checksum}});
  R1_TRY(const std::string said, canonical(j));
  j["checksum"] = checksum_of(said);
  return j.dump(1) + '\n';
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() > kManifestLimit) return error("larger than {} bytes", kManifestLimit);
  json j = json::parse(text, nullptr, false);
  if (!j.is_object()) return error("not a JSON object");
  const auto format = j.find("format");
  if (format == j.end() || *format != kFormat) return error("its format is not \"{}\"", kFormat);
  const auto checksum = j.find("checksum");
  if (checksum == j.end() || !checksum->is_string()) return error("no checksum");
  const std::string expected = *checksum;
  j.erase(checksum);
  R1_TRY(const std::string said, canonical(j));
  if (checksum_of(said) != expected)
    return error("damaged: its checksum is {}, not {}", checksum_of(said), expected);

  Manifest m;
  if (!j.contains("step") || !is_integer(j["step"]) || j["step"] < 0)
    return error("\"step\" is no number of a step");
  m.step = j["step"];
  if (!j.contains("score") || !(j["score"].is_number() || j["score"].is_null()))
    return error("\"score\" is neither a number nor null");
  if (j["score"].is_number()) m.score = j["score"].get<double>();
  if (!j.contains("values") || !j["values"].is_object()) return error("\"values\" is no object");
  for (const auto& [key, value] : j["values"].items()) {
    R1_TRY(StateValue read, read_value(key, value));
    m.values.emplace(key, std::move(read));
  }
  if (!j.contains("files") || !j["files"].is_array()) return error("\"files\" is no list");
  if (j["files"].size() > kFilesLimit)
    return error("{} files, at most {} are known", j["files"].size(), kFilesLimit);
  for (const json& entry : j["files"]) {
    R1_TRY(Manifest::File file, read_file_entry(entry));
    const bool repeated = std::ranges::any_of(
        m.files, [&](const Manifest::File& other) { return other.name == file.name; });
    if (repeated) return error("{} is listed twice", file.name);
    m.files.push_back(std::move(file));
  }
  return m;
}

}  // namespace r1
