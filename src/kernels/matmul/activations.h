// How kFast rounds a token's activations for weights in blocks: int8 with one F32 scale a block, as
// long as the weight's own block (32, or 256 for K types, whose sub-block scales are then applied
// in integers). The definition; vector versions give the same bits, as every step is one IEEE
// operation.
#pragma once

#include <cmath>
#include <cstdint>

#include "quant/dtype.h"

namespace r1 {

struct Q8Scale {
  float d;        // value = d * q
  float inverse;  // q = nearest even (x * inverse), |q| <= 127
};

// `amax` = max |x| of the block. Blocks too small for an inverse become zero.
inline Q8Scale q8_scale(float amax) {
  constexpr float kSmallest = 0x1p-100f;
  if (amax < kSmallest) return {0, 0};
  return {amax / 127, 127 / amax};
}

// Elements per activation block for a weight type in kFast: 0 where activations stay F32.
inline int q8_block(DType type) {
  const int block = info(type).block;
  return block > 1 ? block : 0;
}

// q [n] and its scale d of one block of n activations.
inline float quantize_q8(const float* x, int n, int8_t* q) {
  float amax = 0;
  for (int i = 0; i < n; ++i) amax = std::fmax(amax, std::fabs(x[i]));
  const Q8Scale scale = q8_scale(amax);
  for (int i = 0; i < n; ++i) q[i] = static_cast<int8_t>(std::lrintf(x[i] * scale.inverse));
  return scale.d;
}

}  // namespace r1
