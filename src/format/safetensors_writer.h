// Writes named tensors as one safetensors file; nothing appears at `path` unless all of it does
// (law 6).
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "base/function_ref.h"
#include "format/weight_file.h"

namespace r1 {

// In the order given. Each tensor's bytes must be its shape's; the type must be one safetensors
// has, so no block-quantized one. Readable by parse_safetensors and the Rust crate. `written` sees
// every byte of the file in order.
Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                               FunctionRef<void(std::span<const std::byte>)> written);
Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors);

}  // namespace r1
