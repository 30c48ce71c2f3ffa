// A token's activations rounded to int8 with AVX2, for AVX-512 too: the bits of activations.h, and
// the sums of Q8Layout. A chain's start is a pair of 16-bit sums, as vpmaddubsw leaves them:
// elements 0, 1 and 2, 3 of every four.
#pragma once

#include <immintrin.h>

#include "kernels/cpu.h"
#include "kernels/matmul/activations.h"

namespace r1 {

R1_INLINE inline float max_abs(const float* x, int n) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 max = _mm256_setzero_ps();
  for (int i = 0; i < n; i += 8) {
    max = _mm256_max_ps(max, _mm256_and_ps(magnitude, _mm256_loadu_ps(x + i)));
  }
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(max), _mm256_extractf128_ps(max, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// 32 activations to int8.
R1_INLINE inline __m256i round_q8(const float* x, float inverse) {
  const __m256 scale = _mm256_set1_ps(inverse);
  const auto eight = [&](int i) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale));
  };
  const __m256i low = _mm256_packs_epi32(eight(0), eight(8));
  const __m256i high = _mm256_packs_epi32(eight(16), eight(24));
  return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high),
                                     _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// The pair of sums of each half of 32 int8: 4 dwords of two 16-bit sums to be added up, per 128-bit
// lane.
R1_INLINE inline __m256i pair_sums(__m256i q) {
  return _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
}

R1_INLINE inline int32_t add_pairs(__m128i pairs) {
  pairs = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, 0xb1)));
}

R1_INLINE inline int both(int32_t pair) { return static_cast<int16_t>(pair) + (pair >> 16); }

template <DType type, Isa isa>
struct Activations : Q8Layout<type, isa> {
  using Layout = Q8Layout<type, isa>;
  using Layout::f;

  static void prepare(const float* x, int64_t cols, std::byte* prepared) {
    auto* q = reinterpret_cast<int8_t*>(prepared);
    auto* d = reinterpret_cast<float*>(prepared + Layout::scales_at(cols));
    std::byte* sum = prepared + Layout::sums_at(cols);
    for (int64_t k = 0; k < cols; k += f.block, ++d) {
      const Q8Scale scale = q8_scale(max_abs(x + k, f.block));
      *d = scale.d;
      for (int i = 0; i < f.block; i += 32) {
        const __m256i rounded = round_q8(x + k + i, scale.inverse);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + k + i), rounded);
        const __m256i pairs = pair_sums(rounded);
        const __m128i low = _mm256_castsi256_si128(pairs),
                      high = _mm256_extracti128_si256(pairs, 1);
        if constexpr (f.sub == 32) {
          sum = put_sum(add_pairs(_mm_add_epi16(low, high)), *d, sum);
        } else {
          sum = put_sum(add_pairs(low), *d, sum);
          sum = put_sum(add_pairs(high), *d, sum);
        }
      }
    }
  }

 private:
  static std::byte* put_sum(int32_t pair, float d, std::byte* to) {
    if constexpr (f.offset > 0) {
      // With AVX2 8-bit codes are multiplied as nibbles: the high ones have the offset.
      constexpr int kOffset = isa == Isa::kAvx2 && f.bits == 8 ? f.offset / 16 : f.offset;
      const int low = -kOffset * static_cast<int16_t>(pair), high = -kOffset * (pair >> 16);
      const int32_t start = isa == Isa::kAvx2 ? (low & 0xffff) | high << 16 : low + high;
      std::memcpy(to, &start, 4);
    } else if constexpr (f.block == 32) {
      const float sum = d * static_cast<float>(both(pair));
      std::memcpy(to, &sum, 4);
    } else {
      const auto sum = static_cast<int16_t>(both(pair));
      std::memcpy(to, &sum, 2);
    }
    return to + Layout::kSumBytes;
  }
};

}  // namespace r1
