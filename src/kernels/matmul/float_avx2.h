// 8 floats in a register of AVX2, for float_product.h.
#pragma once

#include <immintrin.h>

#include <cstddef>

#include "kernels/cpu.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

struct V8 {
  static constexpr Isa kIsa = Isa::kAvx2;
  static constexpr int kRows = 8;
  static constexpr int kTile = 256;
  static constexpr int kColumn =
      6;  // tokens by 2 row groups, or kFew by 4: their sums, the weights and a broadcast
  static constexpr int kFew = 2;  // fit 16 registers
  using Float = __m256;

  R1_INLINE static Float zero() { return _mm256_setzero_ps(); }
  R1_INLINE static Float load(const float* at) { return _mm256_loadu_ps(at); }
  R1_INLINE static Float load_f16(const std::byte* at) { return _mm256_cvtph_ps(load_halves(at)); }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_halves(at)), 16));
  }
  R1_INLINE static __m128i load_halves(const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  R1_INLINE static void store(float* at, Float v) { _mm256_storeu_ps(at, v); }
  R1_INLINE static Float broadcast(const float* at) { return _mm256_broadcast_ss(at); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace r1
