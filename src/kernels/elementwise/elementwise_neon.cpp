// Element-by-element ops with NEON.
#include <arm_neon.h>

#include "kernels/elementwise/elementwise.h"

namespace r1 {

void add_neon(const float* a, const float* b, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) vst1q_f32(y + i, vaddq_f32(vld1q_f32(a + i), vld1q_f32(b + i)));
  for (; i < n; ++i) y[i] = a[i] + b[i];
}

void add_scaled_neon(float scale, const float* x, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    vst1q_f32(y + i, vaddq_f32(vld1q_f32(y + i), vmulq_n_f32(vld1q_f32(x + i), scale)));
  for (; i < n; ++i) y[i] += scale * x[i];
}

}  // namespace r1
