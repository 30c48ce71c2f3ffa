// How kFast rounds a token's activations for weights in blocks: int8 with one F32 scale a block, as
// long as the weight's own block (32, or 256 for K types, whose sub-block scales are then applied
// in integers). The definition; vector versions give the same bits, as every step is one IEEE
// operation.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cpu.h"
#include "kernels/matmul/codes.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

struct Q8Scale {
  float d;        // value = d * q
  float inverse;  // q = nearest even (x * inverse), |q| <= 127
};

// `amax` = max |x| of the block. Blocks too small for an inverse become zero.
R1_INLINE inline Q8Scale q8_scale(float amax) {
  constexpr float kSmallest = 0x1p-100f;
  if (amax < kSmallest) return {0, 0};
  return {amax / 127, 127 / amax};
}

// Elements per activation block for a weight type in kFast: 0 where activations stay F32.
R1_INLINE inline int q8_block(DType type) {
  const int block = info(type).block;
  return block > 1 ? block : 0;
}

// One token prepared for a weight type: q [cols] int8, d [cols / block] F32, then of every f.sub
// elements what the product needs of their sum: the start of its chains (int32) where codes have an
// offset; d * sum (F32) or, in blocks of 256, the sum (int16) where weights have a min. An odd
// number of cache lines, so that tokens spread over all sets.
template <DType type, Isa isa>
struct Q8Layout {
  static constexpr Format f = format_of(type);
  // Without unsigned codes no chain has a start.
  static constexpr bool kSums = f.min || isa == Isa::kAvx2 || isa == Isa::kAvx512;
  static constexpr int kSumBytes = !kSums ? 0 : f.block == 256 && f.min ? 2 : 4;

  static int64_t scales_at(int64_t cols) { return cols; }
  static int64_t sums_at(int64_t cols) { return cols + cols / f.block * 4; }
  static size_t bytes(int64_t cols) {
    const int64_t end = sums_at(cols) + cols / f.sub * kSumBytes;
    return static_cast<size_t>(((end + 63) / 64 | 1) * 64);
  }
};

// q [n] and its scale d of one block of n activations.
R1_INLINE inline float quantize_q8(const float* x, int n, int8_t* q) {
  float amax = 0;
  for (int i = 0; i < n; ++i) amax = std::fmax(amax, std::fabs(x[i]));
  const Q8Scale scale = q8_scale(amax);
  for (int i = 0; i < n; ++i) q[i] = static_cast<int8_t>(std::lrintf(x[i] * scale.inverse));
  return scale.d;
}

}  // namespace r1
