#include "serve/model_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "format/weight_file.h"
#include "serve/dialects.h"
#include "serve/digest.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kLongestName = 128;

// A second name for a file, in the place of whatever had that name; whole or not at all.
Result<void> link_over(const std::string& from, const std::string& to) {
  const std::string temporary = fmt::format("{}.{}.tmp", to, fresh_id(""));
  if (::link(from.c_str(), temporary.c_str()) != 0)
    return error("the file cannot be linked: {}", std::strerror(errno));
  if (::rename(temporary.c_str(), to.c_str()) == 0) {
    ::unlink(temporary.c_str());  // rename leaves both names where they were one file already
    return {};
  }
  const int why = errno;
  ::unlink(temporary.c_str());
  return error("the file cannot be named: {}", std::strerror(why));
}

}  // namespace

Result<std::string> model_name(std::string_view given) {
  constexpr std::string_view kLatest = ":latest";
  if (given.ends_with(kLatest)) given.remove_suffix(kLatest.size());
  const auto known = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._-:").find(c) != std::string_view::npos;
  };
  if (given.empty() || given.size() > kLongestName || given[0] == '.' ||
      !std::ranges::all_of(given, known))
    return error(
        "a model's name has 1 to {} letters, digits, '-', '_', ':' and '.', which it does "
        "not begin with",
        kLongestName);
  return std::string(given);
}

Result<std::string> blob_digest(std::string_view given) {
  constexpr std::string_view kPrefix = "sha256:";
  const std::string_view digits =
      given.starts_with(kPrefix) ? given.substr(kPrefix.size()) : std::string_view();
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (digits.size() != 64 || !std::ranges::all_of(digits, hex))
    return error("a digest is sha256: and 64 digits");
  return std::string(digits);
}

Result<MadeFrom> read_made_from(const Json& json) {
  MadeFrom made;
  Fields f(json);
  made.from = f.text("from").value_or("");
  made.system = f.text("system").value_or("");
  if (made.from.empty()) f.refuse("from", "from: the name of a model is wanted");
  if (const Json* parameters = f.object("parameters")) {
    Json wrapped = {{"model", "x"}, {"messages", Json::array()}, {"options", *parameters}};
    const auto read = read_ollama(wrapped, true);  // as options of a request are checked
    if (const auto* problem = std::get_if<Problem>(&read)) f.refuse("parameters", problem->message);
    made.parameters = *parameters;
  }
  if (f.problem()) return error("{}", f.problem()->message);
  return made;
}

void apply(const MadeFrom& made, Ask& ask) {
  if (!made.system.empty() && ask.messages.is_array() && !ask.messages.empty() &&
      ask.messages[0]["role"] != "system")
    ask.messages.insert(ask.messages.begin(), Json{{"role", "system"}, {"content", made.system}});
  if (!made.parameters.is_object()) return;
  const Json wrapped = {{"model", "x"}, {"options", made.parameters}};
  const auto read = read_ollama(wrapped, true);
  const auto* own = std::get_if<OllamaAsk>(&read);
  if (!own) return;  // it was checked when it was made
  const SamplingWish& from = own->ask.sampling;
  SamplingWish& to = ask.sampling;
  const auto lay = [](auto& field, const auto& otherwise) {
    if (!field) field = otherwise;
  };
  lay(to.temperature, from.temperature);
  lay(to.top_p, from.top_p);
  lay(to.min_p, from.min_p);
  lay(to.repetition, from.repetition);
  lay(to.presence, from.presence);
  lay(to.frequency, from.frequency);
  lay(to.top_k, from.top_k);
  lay(to.last_n, from.last_n);
  lay(to.seed, from.seed);
  if (ask.params.max_tokens < 0) ask.params.max_tokens = own->ask.params.max_tokens;
  if (ask.params.stop.empty()) ask.params.stop = own->ask.params.stop;
}

std::string ModelFolder::file(const std::string& name, const char* ending) const {
  return (fs::path(path_) / (name + ending)).string();
}

std::string ModelFolder::blob(const std::string& digest) const {
  return (fs::path(path_) / "blobs" / ("sha256-" + digest)).string();
}

bool ModelFolder::holds(const ShelfItem& item) const {
  std::error_code failure;
  return any() && fs::equivalent(fs::path(item.path).parent_path(), path_, failure);
}

Result<void> ModelFolder::make(const std::string& name, const MadeFrom& from) const {
  Json json = {{"from", from.from}};
  if (!from.system.empty()) json["system"] = from.system;
  if (!from.parameters.empty()) json["parameters"] = from.parameters;
  R1_TRY(auto out, AtomicFile::create(file(name, kMadeFromEnding)));
  R1_DO(out.write(dump(json) + "\n"));
  return out.commit();
}

Result<void> ModelFolder::make_from_blob(const std::string& name, const std::string& digest) const {
  if (!has_blob(digest)) return error("there is no blob sha256:{}: send it first", digest);
  // Opened under the name it will have, for the ending says what it is.
  const std::string trial = file("." + fresh_id("trial"), ".gguf");
  R1_DO(link_over(blob(digest), trial));
  const auto opened = WeightFile::open(trial);
  ::unlink(trial.c_str());
  if (!opened) return error("the blob is no .gguf file of a model");
  return link_over(blob(digest), file(name, ".gguf"));
}

Result<void> ModelFolder::copy(const ShelfItem& item, const std::string& name) const {
  if (item.made) return make(name, *item.made);
  const bool one_file =
      fs::path(item.path).extension() == ".gguf" && item.path.find("-of-") == std::string::npos;
  if (holds(item) && one_file) return link_over(item.path, file(name, ".gguf"));
  return make(name, {.from = item.name, .system = "", .parameters = {}});
}

Result<void> ModelFolder::remove(const ShelfItem& item) const {
  if (!holds(item)) return error("'{}' is not in the folder of --models", item.name);
  std::error_code failure;
  const fs::path path = item.path;
  std::vector<fs::path> files;
  const size_t part = path.filename().string().find("-00001-of-");
  if (fs::is_directory(path, failure)) {  // its files, and the folder if nothing else is in it
    for (const auto& entry : fs::directory_iterator(path, failure))
      if (entry.is_regular_file(failure)) files.push_back(entry.path());
  } else if (part != std::string::npos) {
    const std::string stem = path.filename().string().substr(0, part + 1);
    for (const auto& entry : fs::directory_iterator(path_, failure)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(stem) && name.find("-of-", part) == part + 6 && name.ends_with(".gguf"))
        files.push_back(entry.path());
    }
  } else {
    files.push_back(path);
  }
  for (const fs::path& one : files)
    if (!fs::remove(one, failure) || failure)
      return error("'{}' cannot be deleted: {}", item.name, failure.message());
  if (fs::is_directory(path, failure) && !fs::remove(path, failure))
    return error("'{}' cannot be deleted whole: other things are in its folder", item.name);
  return {};
}

bool ModelFolder::has_blob(const std::string& digest) const {
  std::error_code failure;
  return any() && fs::is_regular_file(blob(digest), failure);
}

Result<void> ModelFolder::add_blob(const std::string& digest, std::string_view bytes) const {
  if (sha256(bytes) != digest) return error("the bytes have another sha256 than the digest says");
  if (has_blob(digest)) return {};
  std::error_code failure;
  fs::create_directory(fs::path(path_) / "blobs", failure);
  R1_TRY(auto out, AtomicFile::create(blob(digest)));
  R1_DO(out.write(bytes));
  return out.commit();
}

}  // namespace r1
