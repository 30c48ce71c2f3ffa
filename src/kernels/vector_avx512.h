// 16 floats in a register of AVX-512, for the loops that instruction sets share. Included by
// *_avx512.cpp files only.
#pragma once

#include <immintrin.h>

#include "kernels/exp/exp_avx512.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

struct Vector16 {
  using Float = __m512;
  using Mask = __mmask16;
  static constexpr int kLanes = 16;
  static constexpr int kRows = 8;  // of gemm_loop.h: 16 sums hide the latency of two FMA units

  R1_INLINE static Mask first(int n) { return static_cast<Mask>((1u << n) - 1); }
  R1_INLINE static Float zero() { return _mm512_setzero_ps(); }
  R1_INLINE static Float set(float x) { return _mm512_set1_ps(x); }
  R1_INLINE static Float broadcast(const float* at) { return _mm512_set1_ps(*at); }
  R1_INLINE static Float load(const float* at) { return _mm512_loadu_ps(at); }
  R1_INLINE static Float load(const float* at, Mask m) { return _mm512_maskz_loadu_ps(m, at); }
  R1_INLINE static void store(float* at, Float x) { _mm512_storeu_ps(at, x); }
  R1_INLINE static void store(float* at, Mask m, Float x) { _mm512_mask_storeu_ps(at, m, x); }
  R1_INLINE static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  R1_INLINE static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  R1_INLINE static Float div(Float a, Float b) { return _mm512_div_ps(a, b); }
  R1_INLINE static Float sqrt(Float x) { return _mm512_sqrt_ps(x); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  R1_INLINE static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  R1_INLINE static Float exp(Float x) { return exp_avx512(x); }
  R1_INLINE static Float select(Mask m, Float a, Float b) { return _mm512_mask_blend_ps(m, b, a); }
  R1_INLINE static float largest(Float x) { return _mm512_reduce_max_ps(x); }
  R1_INLINE static float total(Float x) { return _mm512_reduce_add_ps(x); }
};

}  // namespace r1
