// The passes of sampling over a row of logits with NEON, four chains side by side.
#include <algorithm>
#include <limits>

#include "kernels/exp/exp_neon.h"
#include "kernels/logits/logits.h"

namespace r1 {
namespace {

constexpr int kLanes = 4, kChains = 4;
constexpr float kInf = std::numeric_limits<float>::infinity();

// Chain c of x [n], with `filler` in the lanes beyond n.
float32x4_t load(const float* x, int64_t n, int c, float filler) {
  const int64_t begin = int64_t{c} * kLanes;
  if (begin + kLanes <= n) return vld1q_f32(x + begin);
  float four[kLanes] = {filler, filler, filler, filler};
  for (int64_t i = begin; i < n; ++i) four[i - begin] = x[i];
  return vld1q_f32(four);
}

}  // namespace

bool block_max_neon(const float* x, int64_t n, float* greatest) {
  uint32x4_t numbers = vdupq_n_u32(~0u);
  for (int64_t begin = 0; begin < n; begin += kLogitBlock) {
    float32x4_t most[kChains];
    for (auto& m : most) m = vdupq_n_f32(-kInf);
    for (int64_t i = begin; i < std::min(n, begin + kLogitBlock); i += kChains * kLanes) {
      for (int c = 0; c < kChains; ++c) {
        const float32x4_t v = load(x + i, n - i, c, -kInf);
        most[c] = vbslq_f32(vcgtq_f32(v, most[c]), v, most[c]);  // a NaN is not greater
        numbers = vandq_u32(numbers, vceqq_f32(v, v));
      }
    }
    *greatest++ = vmaxvq_f32(vmaxq_f32(vmaxq_f32(most[0], most[1]), vmaxq_f32(most[2], most[3])));
  }
  return vminvq_u32(numbers) != 0;
}

double sum_exp_neon(const float* x, int64_t n, float greatest, float scale) {
  const float32x4_t top = vdupq_n_f32(greatest);
  const float32x4_t most = vdupq_n_f32(std::numeric_limits<float>::max()), least = vnegq_f32(most);
  float32x4_t sum[kChains] = {};
  for (int64_t i = 0; i < n; i += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c) {
      const float32x4_t v = load(x + i, n - i, c, std::numeric_limits<float>::quiet_NaN());
      const float32x4_t finite = vminq_f32(vmaxq_f32(v, least), most);
      const float32x4_t e = exp_neon(vmulq_n_f32(vsubq_f32(finite, top), scale));
      sum[c] = vaddq_f32(sum[c], vbslq_f32(vceqq_f32(v, v), e, vdupq_n_f32(0)));
    }
  }
  return static_cast<double>(
      vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3]))));
}

}  // namespace r1
