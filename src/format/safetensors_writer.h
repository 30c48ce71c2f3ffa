// Writes named tensors as one safetensors file; nothing appears at `path` unless all of it does
// (law 6).
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

// In the order given. Each tensor's bytes must be its shape's; the type must be one safetensors
// has, so no block-quantized one. Readable by parse_safetensors and the Rust crate.
Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors);

}  // namespace r1
