// exp(x) and 2^x of four floats: the series, the ranges and the accuracy of exp_avx2.h. Included by
// *_neon.cpp files only; internal linkage keeps the instructions inside them.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "kernels/exp/exp2.h"

namespace r1 {

static inline float32x4_t exp_neon(float32x4_t x) {
  x = vminq_f32(vmaxq_f32(x, vdupq_n_f32(-87.0f)), vdupq_n_f32(88.0f));
  const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
  // ln 2 in two parts: the first has few enough bits that n times it is exact.
  float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0x1.63p-1f));
  r = vfmsq_f32(r, n, vdupq_n_f32(-0x1.bd0106p-13f));
  float32x4_t e = vdupq_n_f32(1.0f / 5040);
  e = vfmaq_f32(vdupq_n_f32(1.0f / 720), e, r);
  e = vfmaq_f32(vdupq_n_f32(1.0f / 120), e, r);
  e = vfmaq_f32(vdupq_n_f32(1.0f / 24), e, r);
  e = vfmaq_f32(vdupq_n_f32(1.0f / 6), e, r);
  e = vfmaq_f32(vdupq_n_f32(0.5f), e, r);
  e = vfmaq_f32(vdupq_n_f32(1.0f), e, r);
  e = vfmaq_f32(vdupq_n_f32(1.0f), e, r);
  const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
  return vmulq_f32(e, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}

static inline float32x4_t exp2_neon(float32x4_t x) {
  x = vminq_f32(vdupq_n_f32(127.0f), vmaxq_f32(vdupq_n_f32(-126.0f), x));
  const float32x4_t n = vrndnq_f32(x), r = vsubq_f32(x, n);
  float32x4_t e = vdupq_n_f32(kExp2[5]);
  for (int i = 4; i >= 0; --i) e = vfmaq_f32(vdupq_n_f32(kExp2[i]), e, r);
  const int32x4_t exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
  return vmulq_f32(e, vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23)));
}

// n of the next four floats, n in [0, 4], zeros after them; and their way back.
static inline float32x4_t load_first_neon(const float* x, int64_t n) {
  float four[4] = {};
  for (int64_t i = 0; i < n; ++i) four[i] = x[i];
  return vld1q_f32(four);
}

static inline void store_first_neon(float* y, float32x4_t v, int64_t n) {
  float four[4];
  vst1q_f32(four, v);
  for (int64_t i = 0; i < n; ++i) y[i] = four[i];
}

}  // namespace r1
