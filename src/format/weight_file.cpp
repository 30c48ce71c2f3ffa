#include "format/weight_file.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "format/gguf.h"
#include "format/gguf_split.h"
#include "format/hf_config.h"
#include "format/names.h"
#include "format/safetensors.h"

namespace r1 {

struct WeightFile::Impl {
  Container container = Container::kSafetensors;
  std::string path;
  std::string folder;  // of Hugging Face's side files, or ""
  uint64_t file_bytes = 0;
  std::vector<MappedFile> maps;
  std::shared_ptr<const Impl> origin;  // of with_tensors(): keeps what metadata points into
  FileContents contents;
  std::unordered_map<std::string_view, size_t> tensor_at, value_at;  // into contents

  // Maps a file; the bytes live as long as this Impl.
  Result<std::span<const std::byte>> map(const std::string& file) {
    R1_TRY(auto mapped, MappedFile::open(file));
    maps.push_back(std::move(mapped));
    file_bytes += maps.back().bytes().size();
    return maps.back().bytes();
  }

  void append(Metadata more) {
    for (auto& kv : more) contents.metadata.push_back(std::move(kv));
  }

  Result<void> read_file_alone(const std::string& name, std::span<const std::byte> bytes);
  Result<void> open_gguf(const std::string& file, std::span<const std::byte> bytes);
  Result<void> open_folder(bool with_weights);
  Result<void> open_indexed(const std::string& index);
  Result<void> open_path();
  Result<void> build_index();
};

namespace fs = std::filesystem;

namespace {

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The same error, naming the file it came from.
template <class T>
Result<T> from(Result<T> result, const std::string& file) {
  if (result) return result;
  return std::move(result).error().in(fs::path(file).filename().string());
}

bool is_gguf(std::span<const std::byte> bytes) { return as_text(bytes).starts_with("GGUF"); }

}  // namespace

Result<void> WeightFile::Impl::read_file_alone(const std::string& name,
                                               std::span<const std::byte> bytes) {
  if (is_gguf(bytes)) {
    container = Container::kGguf;
    R1_TRY(contents, parse_gguf(bytes));
  } else if (name.ends_with(".json")) {
    R1_TRY(contents.metadata, parse_config(as_text(bytes)));
  } else {
    R1_TRY(contents, parse_safetensors(bytes));
  }
  return {};
}

// A GGUF file, with the other shards if it is one of several.
Result<void> WeightFile::Impl::open_gguf(const std::string& file,
                                         std::span<const std::byte> bytes) {
  container = Container::kGguf;
  R1_TRY(contents, parse_gguf(bytes));
  R1_TRY(const auto split, split_of(contents.metadata));
  if (split.count == 1) return {};
  R1_TRY(const auto names, shard_names(file, split));
  contents = {};
  maps.clear();
  file_bytes = 0;
  for (uint64_t i = 0; i < split.count; ++i) {
    R1_TRY(const auto shard, map(names[i]));
    R1_TRY(auto part, from(parse_gguf(shard), names[i]));
    R1_TRY(const auto its, from(split_of(part.metadata), names[i]));
    R1_DO(from(check_shard(its, split, i), names[i]));
    if (i == 0)
      contents.metadata = std::move(part.metadata);  // the model's own stands in the first
    for (auto& tensor : part.tensors) contents.tensors.push_back(std::move(tensor));
  }
  if (contents.tensors.size() != split.tensors) {
    return error("split.tensors.count: {}, but the {} shards hold {}", split.tensors, split.count,
                 contents.tensors.size());
  }
  return {};
}

// Shards named by the index. Which file a tensor is taken from is the index's word alone.
Result<void> WeightFile::Impl::open_indexed(const std::string& index) {
  constexpr std::string_view kMap = "weight_map.";
  R1_TRY(const auto json, read_file(index, kIndexFileLimit));
  R1_TRY(const auto entries, from(flatten_json(json), index));
  std::map<std::string, std::unordered_map<std::string_view, bool>>
      shards;  // file -> tensors, found yet
  for (const auto& [key, value] : entries) {
    if (!key.starts_with(kMap)) continue;
    const auto* shard = std::get_if<std::string>(&value);
    if (!shard || shard->empty() || fs::path(*shard).filename() != *shard || *shard == "..") {
      return error("{}: {} names no file of this folder", kIndex, visible(key));
    }
    if (!shards[*shard].emplace(std::string_view(key).substr(kMap.size()), false).second) {
      return error("{}: {} appears twice", kIndex, visible(key));
    }
  }
  for (auto& [shard, wanted] : shards) {
    R1_TRY(const auto bytes, map((fs::path(folder) / shard).string()));
    R1_TRY(auto part, from(parse_safetensors(bytes), shard));
    size_t found = 0;
    for (auto& tensor : part.tensors) {
      const auto it = wanted.find(tensor.name);
      if (it == wanted.end()) continue;
      found += !std::exchange(it->second, true);
      contents.tensors.push_back(std::move(tensor));
    }
    if (found == wanted.size()) continue;
    for (const auto& [name, seen] : wanted) {
      if (!seen)
        return error("{}: tensor {} is missing, though {} says it is here", shard, visible(name),
                     kIndex);
    }
  }
  return {};
}

// A Hugging Face folder; without its weights when only what config.json says is wanted.
Result<void> WeightFile::Impl::open_folder(bool with_weights) {
  const auto at = [&](const char* name) { return (fs::path(folder) / name).string(); };
  if (with_weights && file_exists(at(kWeights))) {
    R1_TRY(const auto bytes, map(at(kWeights)));
    R1_TRY(auto part, from(parse_safetensors(bytes), kWeights));
    contents.tensors = std::move(part.tensors);
  } else if (with_weights && file_exists(at(kIndex))) {
    R1_DO(open_indexed(at(kIndex)));
  } else if (!file_exists(at("config.json"))) {
    return error(
        "the folder holds no {}, no {} and no config.json; for a GGUF model give the .gguf file",
        kWeights, kIndex);
  }
  if (file_exists(at("config.json"))) {
    R1_TRY(const auto json, read_file(at("config.json"), kJsonFileLimit));
    R1_TRY(auto config, from(parse_config(json), "config.json"));
    append(std::move(config));
  }
  for (const std::string name : {"generation_config", "tokenizer_config"}) {
    const std::string file = name + ".json";
    if (!file_exists(at(file.c_str()))) continue;
    R1_TRY(const auto json, read_file(at(file.c_str()), kJsonFileLimit));
    R1_TRY(auto side, from(flatten_json(json, name + "."), file));
    append(std::move(side));
  }
  return {};
}

Result<void> WeightFile::Impl::open_path() {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    folder = path;
    return open_folder(true);
  }
  if (fs::path(path).filename() == "config.json" && file_exists(path)) {
    folder = fs::path(path).parent_path().string();
    if (folder.empty()) folder = ".";
    return open_folder(false);
  }
  R1_TRY(const auto bytes, map(path));
  return is_gguf(bytes) ? open_gguf(path, bytes) : read_file_alone(path, bytes);
}

// Finds tensors and values by name; a name that repeats is refused.
Result<void> WeightFile::Impl::build_index() {
  for (size_t i = 0; i < contents.tensors.size(); ++i) {
    if (!tensor_at.emplace(contents.tensors[i].name, i).second) {
      return error("tensor {} appears twice", visible(contents.tensors[i].name));
    }
  }
  for (size_t i = 0; i < contents.metadata.size(); ++i) {
    if (!value_at.emplace(contents.metadata[i].first, i).second) {
      return error("metadata key {} appears twice", visible(contents.metadata[i].first));
    }
  }
  return {};
}

Result<WeightFile> WeightFile::open(const std::string& path) {
  auto impl = std::make_shared<Impl>();
  impl->path = path;
  auto opened = impl->open_path();
  if (opened) opened = impl->build_index();
  if (!opened) return std::move(opened).error().in("cannot load " + path);
  WeightFile file;
  file.impl_ = std::move(impl);
  return file;
}

Result<WeightFile> WeightFile::from_memory(const std::string& name,
                                           std::span<const std::byte> bytes) {
  auto impl = std::make_shared<Impl>();
  impl->path = name;
  impl->file_bytes = bytes.size();
  auto opened = impl->read_file_alone(name, bytes);
  if (opened) opened = impl->build_index();
  if (!opened) return std::move(opened).error().in("cannot load " + name);
  WeightFile file;
  file.impl_ = std::move(impl);
  return file;
}

Result<WeightFile> WeightFile::with_tensors(std::vector<TensorInfo> tensors) const {
  auto impl = std::make_shared<Impl>();
  impl->container = impl_->container;
  impl->path = impl_->path;
  impl->folder = impl_->folder;
  impl->origin = impl_;
  impl->contents = {impl_->contents.metadata, std::move(tensors)};
  for (const TensorInfo& t : impl->contents.tensors) impl->file_bytes += t.bytes.size();
  R1_DO(impl->build_index());
  WeightFile file;
  file.impl_ = std::move(impl);
  return file;
}

Container WeightFile::container() const { return impl_->container; }
const std::string& WeightFile::path() const { return impl_->path; }
uint64_t WeightFile::file_bytes() const { return impl_->file_bytes; }
bool WeightFile::mapped() const { return !impl_->maps.empty(); }
std::span<const TensorInfo> WeightFile::tensors() const { return impl_->contents.tensors; }
std::span<const std::pair<std::string, MetaValue>> WeightFile::metadata() const {
  return impl_->contents.metadata;
}

const TensorInfo* WeightFile::find(std::string_view name) const {
  const auto it = impl_->tensor_at.find(name);
  return it == impl_->tensor_at.end() ? nullptr : &impl_->contents.tensors[it->second];
}

void WeightFile::drop_pages(const TensorInfo& tensor) const {
  if (!impl_->maps.empty()) r1::drop_pages(tensor.bytes);
}

const MetaValue* WeightFile::meta(std::string_view key) const {
  const auto it = impl_->value_at.find(key);
  return it == impl_->value_at.end() ? nullptr : &impl_->contents.metadata[it->second].second;
}

namespace {

std::string describe(const MetaValue& value) {
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<int64_t>(&value)) return fmt::format("{}", *i);
  if (const auto* u = std::get_if<uint64_t>(&value)) return fmt::format("{}", *u);
  if (const auto* d = std::get_if<double>(&value)) return fmt::format("{}", *d);
  if (const auto* s = std::get_if<std::string>(&value)) return fmt::format("\"{}\"", visible(*s));
  return "an array";
}

Error misfit(std::string_view key, const MetaValue& value, std::string_view wanted) {
  return error("{}: {} is not {}", visible(key), describe(value), wanted);
}

}  // namespace

Result<std::optional<int64_t>> WeightFile::integer(std::string_view key) const {
  const MetaValue* value = meta(key);
  if (!value) return std::optional<int64_t>();
  if (const auto* i = std::get_if<int64_t>(value)) return std::optional(*i);
  const auto* u = std::get_if<uint64_t>(value);
  if (u && *u <= INT64_MAX) return std::optional(static_cast<int64_t>(*u));
  const auto* d = std::get_if<double>(value);  // JSON may write 4096.0
  if (d && std::trunc(*d) == *d && std::abs(*d) <= 0x1p53)
    return std::optional(static_cast<int64_t>(*d));
  return misfit(key, *value, "a whole number");
}

Result<std::optional<double>> WeightFile::number(std::string_view key) const {
  const MetaValue* value = meta(key);
  if (!value) return std::optional<double>();
  if (const auto* d = std::get_if<double>(value)) return std::optional(*d);
  if (const auto* i = std::get_if<int64_t>(value)) return std::optional(static_cast<double>(*i));
  if (const auto* u = std::get_if<uint64_t>(value)) return std::optional(static_cast<double>(*u));
  return misfit(key, *value, "a number");
}

Result<std::optional<bool>> WeightFile::boolean(std::string_view key) const {
  const MetaValue* value = meta(key);
  if (!value) return std::optional<bool>();
  if (const auto* b = std::get_if<bool>(value)) return std::optional(*b);
  return misfit(key, *value, "true or false");
}

Result<std::optional<std::string>> WeightFile::text(std::string_view key) const {
  const MetaValue* value = meta(key);
  if (!value) return std::optional<std::string>();
  if (const auto* s = std::get_if<std::string>(value)) return std::optional(*s);
  return misfit(key, *value, "a text");
}

Result<std::string> WeightFile::side_file(std::string_view name, uint64_t limit) const {
  R1_CHECK(name.find('/') == std::string_view::npos);
  if (impl_->folder.empty()) return std::string();
  const std::string path = (fs::path(impl_->folder) / name).string();
  if (!file_exists(path)) return std::string();
  return read_file(path, limit);
}

}  // namespace r1
