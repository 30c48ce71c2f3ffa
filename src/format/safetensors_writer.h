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
// has, so no block-quantized one. Readable by parse_safetensors and the Rust crate.
Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors);
// The same of tensors whose bytes are asked for when they are due: `bytes_of(i)` borrows those of
// tensor i until the next call. `written` sees every byte of the file in order.
Result<void> write_safetensors(const std::string& path, std::span<const TensorInfo> tensors,
                               FunctionRef<std::span<const std::byte>(size_t i)> bytes_of,
                               FunctionRef<void(std::span<const std::byte>)> written);

}  // namespace r1
