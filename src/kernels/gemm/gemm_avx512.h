// 16 floats in a register of AVX-512, for gemm_loop.h. Included by *_avx512.cpp files only.
#pragma once

#include <immintrin.h>

#include "kernels/gemm/gemm_loop.h"

namespace r1 {

struct GemmV16 {
  using Float = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static constexpr int kRows = 8;  // 16 sums hide the latency of two FMA units

  R1_INLINE static Mask first(int n) { return static_cast<Mask>((1u << n) - 1); }
  R1_INLINE static Float zero() { return _mm512_setzero_ps(); }
  R1_INLINE static Float load(const float* at) { return _mm512_loadu_ps(at); }
  R1_INLINE static Float load(const float* at, Mask m) { return _mm512_maskz_loadu_ps(m, at); }
  R1_INLINE static void store(float* at, Float x) { _mm512_storeu_ps(at, x); }
  R1_INLINE static void store(float* at, Mask m, Float x) { _mm512_mask_storeu_ps(at, m, x); }
  R1_INLINE static Float broadcast(const float* at) { return _mm512_set1_ps(*at); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace r1
