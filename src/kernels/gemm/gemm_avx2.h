// 8 floats in a register of AVX2, for gemm_loop.h. Included by *_avx2.cpp files only.
#pragma once

#include <immintrin.h>

#include "kernels/gemm/gemm_loop.h"

namespace r1 {

struct GemmV8 {
  using Float = __m256;
  using Mask = __m256i;
  static constexpr int kLanes = 8;
  static constexpr int kRows = 6;  // 12 sums, two registers of B and a factor

  R1_INLINE static Mask first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  R1_INLINE static Float zero() { return _mm256_setzero_ps(); }
  R1_INLINE static Float load(const float* at) { return _mm256_loadu_ps(at); }
  R1_INLINE static Float load(const float* at, Mask m) { return _mm256_maskload_ps(at, m); }
  R1_INLINE static void store(float* at, Float x) { _mm256_storeu_ps(at, x); }
  R1_INLINE static void store(float* at, Mask m, Float x) {
    if (_mm256_movemask_ps(_mm256_castsi256_ps(m)) == 255) return store(at, x);
    _mm256_maskstore_ps(at, m, x);  // slow on AMD's processors
  }
  R1_INLINE static Float broadcast(const float* at) { return _mm256_broadcast_ss(at); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace r1
