// The safetensors container: u64 N, N bytes of JSON, data. Source: the format's README and its Rust
// crate.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;  // bytes, the crate's own limit
inline constexpr size_t kSafetensorsDimsLimit = 8;
inline constexpr size_t kSafetensorsNameLimit = 512;  // bytes of a tensor's name

// The tensors of one file in the order of their bytes, which cover the data without hole or
// overlap, and the pairs of "__metadata__" under that prefix. Borrows `file`; names may still
// repeat.
Result<FileContents> parse_safetensors(std::span<const std::byte> file);

}  // namespace r1
