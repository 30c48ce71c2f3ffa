// SwiGLU's gate with NEON; the tail is a padded register of the same arithmetic.
#include "kernels/exp/exp_neon.h"
#include "kernels/swiglu/swiglu.h"

namespace r1 {
namespace {

float32x4_t swiglu4(float32x4_t gate, float32x4_t up) {
  const float32x4_t e = exp_neon(vnegq_f32(gate));
  return vmulq_f32(vdivq_f32(gate, vaddq_f32(vdupq_n_f32(1), e)), up);
}

}  // namespace

void swiglu_neon(const float* gate, const float* up, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    vst1q_f32(y + i, swiglu4(vld1q_f32(gate + i), vld1q_f32(up + i)));
  }
  const float32x4_t last =
      swiglu4(load_first_neon(gate + i, n - i), load_first_neon(up + i, n - i));
  store_first_neon(y + i, last, n - i);
}

}  // namespace r1
