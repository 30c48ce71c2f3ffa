// 8 floats in a register of AVX2, for the loops that instruction sets share. Included by *_avx2.cpp
// files only.
#pragma once

#include <immintrin.h>

#include "kernels/exp/exp_avx2.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

struct Vector8 {
  using Float = __m256;
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kRows = 6;  // of gemm_loop.h: 12 sums, two registers of B and a factor

  R1_INLINE static Mask first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  R1_INLINE static Float zero() { return _mm256_setzero_ps(); }
  R1_INLINE static Float set(float x) { return _mm256_set1_ps(x); }
  R1_INLINE static Float broadcast(const float* at) { return _mm256_broadcast_ss(at); }
  R1_INLINE static Float load(const float* at) { return _mm256_loadu_ps(at); }
  R1_INLINE static Float load(const float* at, Mask m) { return _mm256_maskload_ps(at, m); }
  R1_INLINE static void store(float* at, Float x) { _mm256_storeu_ps(at, x); }
  R1_INLINE static void store(float* at, Mask m, Float x) {
    if (_mm256_movemask_ps(_mm256_castsi256_ps(m)) == 255) return store(at, x);
    _mm256_maskstore_ps(at, m, x);  // slow on AMD's processors
  }
  R1_INLINE static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  R1_INLINE static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  R1_INLINE static Float div(Float a, Float b) { return _mm256_div_ps(a, b); }
  R1_INLINE static Float sqrt(Float x) { return _mm256_sqrt_ps(x); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  R1_INLINE static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  R1_INLINE static Float exp(Float x) { return exp_avx2(x); }
  R1_INLINE static Float select(Mask m, Float a, Float b) {
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m));
  }
  R1_INLINE static float largest(Float x) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
  R1_INLINE static float total(Float x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
  }
};

}  // namespace r1
