// Grids of a super-block: every group's step and offset are small integers times one step for them
// all. Groups are fitted alone (fit.h), the common steps taken from the largest, then in turn: each
// group picks the integers that cost least (its neighbours tried), and least squares gives the best
// common steps for those.
#pragma once

#include <cstdint>

#include "quant/blocks.h"

namespace r1 {

// Q4_K and Q5_K: 8 groups of 32, x = d scale q - dmin min, q in 0..hi, scale and min in 0..63.
struct AffineSuper {
  float d = 0, dmin = 0;  // F16 values
  uint8_t scales[8] = {}, mins[8] = {};
  int8_t q[kSuperBlock] = {};
};
AffineSuper fit_affine_super(const float* x, const float* w, int hi);

// Q6_K: 16 groups of 16, x = d scale q, q in -32..31, scale in -128..127.
struct ScaledSuper {
  float d = 0;  // an F16 value
  int8_t scales[16] = {};
  int8_t q[kSuperBlock] = {};
};
ScaledSuper fit_scaled_super(const float* x, const float* w);

}  // namespace r1
