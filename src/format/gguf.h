// The GGUF container, versions 2 and 3, little-endian. Source: ggml's docs/gguf.md.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

// Limits beside those the file's own size sets.
inline constexpr uint64_t kGgufValuesLimit = 1 << 16;  // metadata keys
inline constexpr uint64_t kGgufTensorsLimit = 1 << 20;
inline constexpr uint64_t kGgufArrayLimit = 1 << 24;  // elements of an array
inline constexpr uint64_t kGgufNameLimit = 64;        // bytes of a tensor's name
inline constexpr uint64_t kGgufKeyLimit = 65535;      // bytes of a metadata key
inline constexpr uint32_t kGgufDimsLimit = 4;         // dimensions of a tensor
inline constexpr int kGgufNestingLimit = 8;           // arrays within arrays
inline constexpr uint64_t kGgufAlignmentLimit = 1 << 20;

// Metadata and tensors of one GGUF file, all of it checked: every length lies inside the file,
// tensors are aligned and do not overlap. Shapes come out row-major. Borrows `file`; names and keys
// may still repeat.
Result<FileContents> parse_gguf(std::span<const std::byte> file);

}  // namespace r1
