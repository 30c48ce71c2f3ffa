// <immintrin.h> for *_avx512.cpp where AVX-512 is emulated on a processor with AVX2: SIMDe, and
// what its version 0.7.4 lacks of what our kernels use. An intrinsic that is missing here fails to
// compile ("target specific option mismatch").
#pragma once

#include_next <immintrin.h>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

namespace r1::simde {

// To(lane) of each of the n lanes of x.
template <class From, class To, int n, class Y, class X>
inline Y convert_lanes(X x) {
  From from[n];
  To to[n];
  static_assert(sizeof from == sizeof x && sizeof to == sizeof(Y));
  std::memcpy(from, &x, sizeof from);
  for (int i = 0; i < n; ++i) to[i] = static_cast<To>(from[i]);
  Y y;
  std::memcpy(&y, to, sizeof y);
  return y;
}

inline __m512i cvtepu16_epi32(__m256i x) {
  return convert_lanes<uint16_t, int32_t, 16, __m512i>(x);
}
inline __m512i cvtepi8_epi32(__m128i x) { return convert_lanes<int8_t, int32_t, 16, __m512i>(x); }
inline __m512i cvtepu8_epi16(__m256i x) { return convert_lanes<uint8_t, int16_t, 32, __m512i>(x); }
inline __m512 cvtepi32_ps(__m512i x) { return convert_lanes<int32_t, float, 16, __m512>(x); }

inline __m512 cvtph_ps(__m256i x) {
  const __m256 halves[2] = {_mm256_cvtph_ps(_mm256_castsi256_si128(x)),
                            _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1))};
  __m512 y;
  std::memcpy(&y, halves, sizeof y);
  return y;
}

inline __m256 extractf32x8_ps(__m512 x, int half) {
  __m256 halves[2];
  std::memcpy(halves, &x, sizeof x);
  return halves[half];
}

// Quarters of a, then of b, two bits of `choice` each.
inline __m512 shuffle_f32x4(__m512 a, __m512 b, unsigned choice) {
  float from[2][16], to[16];
  std::memcpy(from[0], &a, sizeof a);
  std::memcpy(from[1], &b, sizeof b);
  for (unsigned i = 0; i < 4; ++i)
    std::memcpy(to + 4 * i, from[i / 2] + 4 * (choice >> 2 * i & 3), 16);
  __m512 y;
  std::memcpy(&y, to, sizeof y);
  return y;
}

inline __m512 maskz_loadu_ps(__mmask16 mask, const float* at) {
  float lanes[16] = {};
  for (int i = 0; i < 16; ++i) {
    if (mask >> i & 1) lanes[i] = at[i];
  }
  __m512 y;
  std::memcpy(&y, lanes, sizeof y);
  return y;
}

inline void mask_storeu_ps(float* at, __mmask16 mask, __m512 x) {
  float lanes[16];
  std::memcpy(lanes, &x, sizeof x);
  for (int i = 0; i < 16; ++i) {
    if (mask >> i & 1) at[i] = lanes[i];
  }
}

inline float reduce_add_ps(__m512 x) {  // halves upon halves
  float lanes[16];
  std::memcpy(lanes, &x, sizeof x);
  for (int n = 8; n > 0; n /= 2) {
    for (int i = 0; i < n; ++i) lanes[i] += lanes[i + n];
  }
  return lanes[0];
}

inline float reduce_max_ps(__m512 x) {
  float lanes[16];
  std::memcpy(lanes, &x, sizeof x);
  for (int i = 1; i < 16; ++i) lanes[0] = lanes[0] < lanes[i] ? lanes[i] : lanes[0];
  return lanes[0];
}

inline void mask_storeu_epi32(void* at, __mmask8 mask, __m256i x) {
  char lanes[32];
  std::memcpy(lanes, &x, sizeof x);
  for (int i = 0; i < 8; ++i) {
    if (mask >> i & 1) std::memcpy(static_cast<char*>(at) + 4 * i, lanes + 4 * i, 4);
  }
}

inline __m256bh cvtneps_pbh(__m512 x) {  // to nearest even; no NaN
  uint32_t bits[16];
  uint16_t halves[16];
  std::memcpy(bits, &x, sizeof bits);
  for (int i = 0; i < 16; ++i) {
    halves[i] = static_cast<uint16_t>((bits[i] + 0x7fff + (bits[i] >> 16 & 1)) >> 16);
  }
  __m256bh y;
  std::memcpy(&y, halves, sizeof y);
  return y;
}

inline __m512bh cvtne2ps_pbh(__m512 high, __m512 low) {
  const __m256bh halves[2] = {cvtneps_pbh(low), cvtneps_pbh(high)};
  __m512bh y;
  std::memcpy(&y, halves, sizeof y);
  return y;
}

}  // namespace r1::simde

#define _mm512_cvtepu16_epi32 r1::simde::cvtepu16_epi32
#define _mm512_cvtepi8_epi32 r1::simde::cvtepi8_epi32
#define _mm512_cvtepu8_epi16 r1::simde::cvtepu8_epi16
#define _mm512_cvtepi32_ps r1::simde::cvtepi32_ps
#define _mm512_cvtph_ps r1::simde::cvtph_ps
#define _mm512_extractf32x8_ps r1::simde::extractf32x8_ps
#define _mm512_shuffle_f32x4 r1::simde::shuffle_f32x4
#define _mm512_maskz_loadu_ps r1::simde::maskz_loadu_ps
#define _mm512_mask_storeu_ps r1::simde::mask_storeu_ps
#define _mm512_reduce_add_ps r1::simde::reduce_add_ps
#define _mm512_reduce_max_ps r1::simde::reduce_max_ps
#define _mm256_mask_storeu_epi32 r1::simde::mask_storeu_epi32
#define _mm512_cvtneps_pbh r1::simde::cvtneps_pbh
#define _mm512_cvtne2ps_pbh r1::simde::cvtne2ps_pbh

// SIMDe's aliases are macros with parameters, which the comma of template arguments would part.
#undef _mm512_or_si512
#define _mm512_or_si512 simde_mm512_or_si512

// asm("" : "+v"(sum)) holds a sum in a register, at its place in the order: not in those we have.
#define asm(...) static_assert(true)
