// Rotary position embedding with NEON, four pairs at a time. Products and sums are rounded
// separately, as the definition rounds them, so that the pairs left over at the end can be done one
// by one with the same bits.
#include <arm_neon.h>

#include <algorithm>

#include "kernels/rope/rope.h"

namespace r1 {
namespace {

// Four pairs: elements a in val[0], b in val[1].
float32x4x2_t rotate(float32x4x2_t x, const float* cos, const float* sin) {
  const float32x4_t a = x.val[0], b = x.val[1], c = vld1q_f32(cos), s = vld1q_f32(sin);
  return {
      {vsubq_f32(vmulq_f32(a, c), vmulq_f32(b, s)), vaddq_f32(vmulq_f32(b, c), vmulq_f32(a, s))}};
}

}  // namespace

void rope_neon(const float* x, const float* cos, const float* sin, RopeLayout layout,
               int64_t n_heads, int64_t head_dim, int64_t n_pairs, float* y) {
  const bool adjacent = layout == RopeLayout::kAdjacent;
  for (int64_t head = 0; head < n_heads; ++head, x += head_dim, y += head_dim) {
    int64_t i = 0;
    for (; i + 4 <= n_pairs; i += 4) {
      if (adjacent) {
        vst2q_f32(y + 2 * i, rotate(vld2q_f32(x + 2 * i), cos + i, sin + i));
      } else {
        const float32x4x2_t pairs = {{vld1q_f32(x + i), vld1q_f32(x + n_pairs + i)}};
        const float32x4x2_t rotated = rotate(pairs, cos + i, sin + i);
        vst1q_f32(y + i, rotated.val[0]);
        vst1q_f32(y + n_pairs + i, rotated.val[1]);
      }
    }
    for (; i < n_pairs; ++i) {
      const int64_t a = adjacent ? 2 * i : i, b = adjacent ? 2 * i + 1 : i + n_pairs;
      y[a] = x[a] * cos[i] - x[b] * sin[i];
      y[b] = x[b] * cos[i] + x[a] * sin[i];
    }
    std::copy(x + 2 * n_pairs, x + head_dim, y + 2 * n_pairs);
  }
}

}  // namespace r1
