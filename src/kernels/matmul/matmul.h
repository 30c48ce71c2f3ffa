// y = x W^T.   W [rows, cols] in blocks along cols;  x [T, cols];  y [T, rows], F32.
// A kernel owns one (weight type, arithmetic, instruction set): how rows are interleaved at load,
// how a token's activations are prepared, and the product. *_ref.cpp is the definition; others: |y
// - ref| <= 1e-5 * sum_j |w_ij x_j|. Law 1: y[t][r] depends on W[r], x[t] alone; never on T, on the
// other rows, or on where a caller splits rows. Single-threaded, allocates nothing; the caller
// splits row groups over threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/cpu.h"
#include "quant/dtype.h"

namespace r1 {

// kFast multiplies in the quickest arithmetic that suits the weight type and the instruction set:
// int8 for blocks, with activations quantized per token and block (activations.h); F32 for float
// types, but BF16 activations for BF16 weights with AVX-512. kF32 multiplies the exact values of
// any type by F32 activations.
enum class Compute : uint8_t { kFast, kF32 };

struct MatmulKernel {
  std::string_view name;  // "q4_k/avx2"
  DType dtype;
  Compute compute;
  Isa isa;
  int row_group;  // rows interleaved together; the last group of a matrix is padded with zero rows

  // Bytes of one packed row group, and packing it: `rows` are n_rows <= row_group consecutive rows
  // as stored.
  size_t (*packed_bytes)(int64_t cols);
  void (*pack)(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed);

  // Bytes of one token's prepared activations (a multiple of 64), and preparing them from F32.
  size_t (*activation_bytes)(int64_t cols);
  void (*prepare)(const float* x, int64_t cols, std::byte* prepared);

  // y[t * y_stride + g * row_group + r] for row groups g in [0, n_groups), all their row_group
  // rows, in tiles that fit the caches: y is padded by the caller when the matrix ends inside a
  // group (n_rows = valid rows: the rest is not written).
  void (*multiply)(const std::byte* packed, int64_t n_groups, int64_t n_rows, int64_t cols,
                   const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride);
};

// Every kernel in the build, and the one for (dtype, compute, isa): the best written for `isa` or
// below it in the orders ref < avx2 < avx512 and ref < neon < i8mm. Null only for types that are
// never weights.
std::span<const MatmulKernel> matmul_kernels();
const MatmulKernel* find_matmul(DType dtype, Compute compute, Isa isa);

}  // namespace r1
