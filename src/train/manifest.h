// manifest.json of a checkpoint: what it holds and how to tell that it is whole. Its own checksum
// is that of everything else it says.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/checksum.h"
#include "base/error.h"
#include "train/checkpoint.h"

namespace r1 {

inline constexpr uint64_t kManifestLimit = 64 << 20;  // bytes

struct Manifest {
  struct File {
    std::string name;  // "model.safetensors"
    uint64_t bytes = 0;
    std::string checksum;  // XXH3-128, 32 hexadecimal digits
  };
  int64_t step = 0;
  std::optional<double> score;
  StateValues values;
  std::vector<File> files;
};

// Error: a value that JSON cannot hold, a number that is not finite or text that is not UTF-8.
Result<std::string> manifest_text(const Manifest& manifest);
Result<Manifest> parse_manifest(std::string_view text);

}  // namespace r1
