#include "format/gguf_split.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr uint64_t kShardsLimit = 65535;  // split.count is 16 bits wide

Result<uint64_t> count_of(const Metadata& metadata, std::string_view key, uint64_t otherwise) {
  const auto it =
      std::find_if(metadata.begin(), metadata.end(), [&](auto& kv) { return kv.first == key; });
  if (it == metadata.end()) return otherwise;
  if (const auto* u = std::get_if<uint64_t>(&it->second)) return *u;
  const auto* i = std::get_if<int64_t>(&it->second);
  if (i && *i >= 0) return static_cast<uint64_t>(*i);
  return error("{}: not a count", key);
}

}  // namespace

Result<GgufSplit> split_of(const Metadata& metadata) {
  GgufSplit split;
  R1_TRY(split.number, count_of(metadata, "split.no", 0));
  R1_TRY(split.count, count_of(metadata, "split.count", 1));
  R1_TRY(split.tensors, count_of(metadata, "split.tensors.count", 0));
  split.count = std::max<uint64_t>(split.count, 1);  // some writers say 0 for a whole file
  if (split.count > kShardsLimit)
    return error("split.count: {}, the limit is {}", split.count, kShardsLimit);
  if (split.number >= split.count) {
    return error("split.no: {} of split.count {}; shards count from 0", split.number, split.count);
  }
  return split;
}

Result<std::vector<std::string>> shard_names(const std::string& path, const GgufSplit& split) {
  const auto suffix = [&](uint64_t i) {
    return fmt::format("-{:05}-of-{:05}.gguf", i + 1, split.count);
  };
  const std::string own = suffix(split.number);
  if (!path.ends_with(own)) {
    return error(
        "the file says it is shard {} of {}, so its name must end in {} for the others to be found",
        split.number + 1, split.count, own);
  }
  const std::string stem = path.substr(0, path.size() - own.size());
  std::vector<std::string> names;
  for (uint64_t i = 0; i < split.count; ++i) names.push_back(stem + suffix(i));
  return names;
}

Result<void> check_shard(const GgufSplit& shard, const GgufSplit& whole, uint64_t index) {
  if (shard.number != index) return error("split.no: {}, expected {}", shard.number, index);
  if (shard.count != whole.count)
    return error("split.count: {}, expected {}", shard.count, whole.count);
  if (shard.tensors != whole.tensors) {
    return error("split.tensors.count: {}, expected {}", shard.tensors, whole.tensors);
  }
  return {};
}

}  // namespace r1
