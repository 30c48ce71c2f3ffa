// The definition of every matrix product: the exact values of the weights times the activations as
// the arithmetic rounds them (activations.h), summed in double in the order of K. Slow, short, and
// what all others are tested by.
#include <algorithm>
#include <cstring>

#include "kernels/matmul/activations.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

constexpr int kTile = 256;   // weights decoded at a time
constexpr int kTokens = 64;  // tokens that share a decoded tile

template <DType type>
size_t packed_bytes(int64_t cols) {
  return static_cast<size_t>(cols / info(type).block * info(type).block_bytes);
}

template <DType type>
void pack(const std::byte* rows, int /*n_rows*/, int64_t cols, std::byte* packed) {
  std::memcpy(packed, rows, packed_bytes<type>(cols));
}

size_t activation_bytes(int64_t cols) { return static_cast<size_t>((cols * 4 + 63) / 64 * 64); }

// The values that the rounded activations stand for.
template <DType type, Compute compute>
void prepare(const float* x, int64_t cols, std::byte* prepared) {
  auto* values = reinterpret_cast<float*>(prepared);
  const int block = compute == Compute::kFast ? q8_block(type) : 0;
  if (block == 0) {
    std::copy(x, x + cols, values);
    return;
  }
  for (int64_t k = 0; k < cols; k += block) {
    int8_t q[kTile];
    const float d = quantize_q8(x + k, block, q);
    for (int i = 0; i < block; ++i) values[k + i] = d * q[i];
  }
}

template <DType type>
void multiply(const std::byte* packed, int64_t /*n_groups*/, int64_t n_rows, int64_t cols,
              const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride) {
  const DTypeInfo& dtype = info(type);
  const size_t x_bytes = activation_bytes(cols);
  for (int64_t t0 = 0; t0 < n_tokens; t0 += kTokens) {
    const int64_t n = std::min<int64_t>(kTokens, n_tokens - t0);
    for (int64_t row = 0; row < n_rows; ++row) {
      const std::byte* blocks = packed + packed_bytes<type>(cols) * static_cast<size_t>(row);
      double sums[kTokens] = {};
      for (int64_t k = 0; k < cols; k += kTile) {
        const int64_t width = std::min<int64_t>(kTile, cols - k);
        float w[kTile];
        dtype.decode(blocks, w, static_cast<size_t>(width));
        blocks += packed_bytes<type>(width);
        for (int64_t t = 0; t < n; ++t) {
          const auto* x =
              reinterpret_cast<const float*>(prepared + x_bytes * static_cast<size_t>(t0 + t));
          for (int64_t i = 0; i < width; ++i) sums[t] += static_cast<double>(w[i]) * x[k + i];
        }
      }
      for (int64_t t = 0; t < n; ++t) y[(t0 + t) * y_stride + row] = static_cast<float>(sums[t]);
    }
  }
}

template <DType type, Compute compute>
constexpr MatmulKernel kernel(std::string_view name) {
  return {name,
          type,
          compute,
          Isa::kRef,
          1,
          packed_bytes<type>,
          pack<type>,
          activation_bytes,
          prepare<type, compute>,
          multiply<type>};
}

#define R1_REF(type, name)                             \
  kernel<DType::k##type, Compute::kFast>(name "/ref"), \
      kernel<DType::k##type, Compute::kF32>(name "/f32/ref")

constexpr MatmulKernel kKernels[] = {
    R1_REF(F32, "f32"),     R1_REF(F16, "f16"),       R1_REF(BF16, "bf16"),
    R1_REF(Q4_0, "q4_0"),   R1_REF(Q4_1, "q4_1"),     R1_REF(Q5_0, "q5_0"),
    R1_REF(Q5_1, "q5_1"),   R1_REF(Q8_0, "q8_0"),     R1_REF(Q2_K, "q2_k"),
    R1_REF(Q3_K, "q3_k"),   R1_REF(Q4_K, "q4_k"),     R1_REF(Q5_K, "q5_k"),
    R1_REF(Q6_K, "q6_k"),   R1_REF(IQ4_NL, "iq4_nl"), R1_REF(IQ4_XS, "iq4_xs"),
    R1_REF(MXFP4, "mxfp4"),
};

}  // namespace

Kernels matmul_ref() { return kKernels; }

}  // namespace r1
