// GGUF files cut in shards NAME-00001-of-00005.gguf. Source: llama.cpp's gguf-split.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

// Which shard a file says it is (split.no, split.count, split.tensors.count); {0, 1, 0} where it
// says nothing.
struct GgufSplit {
  uint64_t number = 0, count = 1, tensors = 0;
};
Result<GgufSplit> split_of(const Metadata& metadata);

// The paths of all shards, by the path of one.
Result<std::vector<std::string>> shard_names(const std::string& path, const GgufSplit& split);

// That shard `index` of `whole` says so itself.
Result<void> check_shard(const GgufSplit& shard, const GgufSplit& whole, uint64_t index);

}  // namespace r1
