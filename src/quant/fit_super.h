// Grids of a super-block: every group's step and offset are small integers times one step for them
// all. Groups are fitted alone (fit.h), the common steps taken from the largest, then in turn: each
// group picks the integers that cost least (its neighbours tried), and least squares gives the best
// common steps for those.
#pragma once

#include <cstdint>

#include "quant/blocks.h"
#include "quant/fit.h"

namespace r1 {

// x = d scale q - dmin min, q in 0..hi, scale and min in 0..most.
struct AffineFormat {
  int group;  // elements
  int hi, most;
};
inline constexpr AffineFormat kQ2K{16, 3, 15}, kQ4K{32, 15, 63}, kQ5K{32, 31, 63};

struct AffineSuper {
  float d = 0, dmin = 0;  // F16 values
  uint8_t scales[16] = {}, mins[16] = {};
  int8_t q[kSuperBlock] = {};
};
AffineSuper fit_affine_super(const float* x, const float* w, const AffineFormat& format);

// 16 groups of 16, x = d scale q.
struct ScaledFormat {
  Levels q, scale;
};
inline constexpr ScaledFormat kQ3K{{-4, 3}, {-32, 31}}, kQ6K{{-32, 31}, {-128, 127}};

struct ScaledSuper {
  float d = 0;  // an F16 value
  int8_t scales[16] = {};
  int8_t q[kSuperBlock] = {};
};
ScaledSuper fit_scaled_super(const float* x, const float* w, const ScaledFormat& format);

}  // namespace r1
