// 16 floats in a register of AVX-512, for float_product.h.
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "kernels/cpu.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

struct V16 {
  static constexpr Isa kIsa = Isa::kAvx512;
  static constexpr int kRows = 16;
  static constexpr int kTile = 256;
  static constexpr int kColumn =
      8;  // tokens by 2 row groups, or kFew by 4: 16 sums hide the latency of two FMA units
  static constexpr int kFew = 4;
  using Float = __m512;

  R1_INLINE static Float zero() { return _mm512_setzero_ps(); }
  R1_INLINE static Float load(const float* at) { return _mm512_loadu_ps(at); }
  R1_INLINE static Float load_f16(const std::byte* at) { return _mm512_cvtph_ps(load_halves(at)); }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_halves(at)), 16));
  }
  R1_INLINE static __m256i load_halves(const std::byte* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  R1_INLINE static void store(float* at, Float v) { _mm512_storeu_ps(at, v); }
  R1_INLINE static Float broadcast(const float* at) { return _mm512_set1_ps(*at); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace r1
