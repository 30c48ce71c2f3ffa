// The element types of stored weights: how many elements a block holds, in how many bytes.
// Layouts: one file per family in this room. Source: the GGUF specification and ggml's block
// structures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/error.h"

namespace r1 {

// clang-format off
enum class DType : uint8_t {
  kF32, kF16, kBF16,
  kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0,
  kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K,
  kIQ4_NL, kIQ4_XS, kMXFP4,
  kF8E4M3,  // safetensors only; its block scales are a tensor of their own
  kI8, kI16, kI32, kI64, kF64, kU8, kBool,  // stored, never multiplied
};
// clang-format on

struct DTypeInfo {
  DType type;
  std::string_view name;  // "Q4_K"
  int gguf_id;            // ggml type id; -1 where GGUF has none
  int block;              // elements per block (1 for plain types)
  int block_bytes;
  // Exact values of n elements (n % block == 0). Null for types that are never weights.
  void (*decode)(const std::byte* blocks, float* values, size_t n);
  // Nearest blocks for n values. `importance` (n values >= 0, or null) weighs the error of each
  // element. Null where we do not write the type.
  void (*encode)(const float* values, std::byte* blocks, size_t n, const float* importance);
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_from_gguf(uint32_t id);
std::optional<DType> dtype_from_name(std::string_view name);  // any case
std::span<const DTypeInfo> all_dtypes();

// Bytes of a row-major tensor whose rows have `cols` elements; nullopt where cols is no multiple of
// the block or the product overflows.
std::optional<uint64_t> stored_bytes(DType type, uint64_t rows, uint64_t cols);

}  // namespace r1
