// RMSNorm with NEON: four registers of partial sums, added pairwise at the end; the tail is padded.
#include <cmath>

#include "kernels/exp/exp_neon.h"
#include "kernels/norm/norm.h"

namespace r1 {

void rms_norm_neon(const float* x, const float* w, float eps, int64_t rows, int64_t cols,
                   float* y) {
  const int64_t tail = cols % 4, whole = cols - tail;
  for (int64_t i = 0; i < rows; ++i, x += cols, y += cols) {
    float32x4_t sum[4] = {};
    int64_t j = 0;
    for (; j + 16 <= whole; j += 16) {
      for (int lane = 0; lane < 4; ++lane) {
        const float32x4_t v = vld1q_f32(x + j + 4 * lane);
        sum[lane] = vfmaq_f32(sum[lane], v, v);
      }
    }
    for (; j < whole; j += 4) {
      const float32x4_t v = vld1q_f32(x + j);
      sum[0] = vfmaq_f32(sum[0], v, v);
    }
    const float32x4_t last = load_first_neon(x + whole, tail);
    sum[1] = vfmaq_f32(sum[1], last, last);
    const float squares =
        vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(cols) + eps);
    for (j = 0; j < whole; j += 4) {
      vst1q_f32(y + j, vmulq_f32(vmulq_n_f32(vld1q_f32(x + j), scale), vld1q_f32(w + j)));
    }
    const float32x4_t v = vmulq_n_f32(last, scale);
    store_first_neon(y + whole, vmulq_f32(v, load_first_neon(w + whole, tail)), tail);
  }
}

}  // namespace r1
