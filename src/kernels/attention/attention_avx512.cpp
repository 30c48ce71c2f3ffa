// Attention with AVX-512: sixteen positions or elements in a register; see attention_loop.h. Sums
// are added as AVX2 adds them, bit for bit, so attention_merge_avx2 serves both.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <cstring>

#include "kernels/attention/attention_loop.h"
#include "kernels/exp/exp_avx512.h"

namespace r1 {
namespace {

struct V16 {
  using Float = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kValueRegisters = 4;
  static constexpr int kLatentTogether = 8;

  R1_INLINE static Float zero() { return _mm512_setzero_ps(); }
  R1_INLINE static Float broadcast(float x) { return _mm512_set1_ps(x); }
  R1_INLINE static Float load(const float* at) { return _mm512_loadu_ps(at); }
  R1_INLINE static Float load_f16(const std::byte* at) { return _mm512_cvtph_ps(halves(at)); }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves(at)), 16));
  }
  R1_INLINE static Float load_i8(const std::byte* at) {
    const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
  }
  R1_INLINE static float f16(const std::byte* at) {
    uint16_t half;
    std::memcpy(&half, at, 2);
    return _cvtsh_ss(half);
  }
  R1_INLINE static Float keep(Float x) {  // in a register, not loaded again at each use
    asm("" : "+v"(x));
    return x;
  }
  R1_INLINE static __m256i halves(const std::byte* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  R1_INLINE static void store(float* at, Float x) { _mm512_storeu_ps(at, x); }
  R1_INLINE static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  R1_INLINE static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  R1_INLINE static Float exp2(Float x) { return exp2_avx512(x); }
  R1_INLINE static float exp2(float x) { return _mm256_cvtss_f32(exp2_avx2(_mm256_set1_ps(x))); }
  R1_INLINE static float sum(Float x) { return sum_avx2(_mm256_add_ps(low(x), high(x))); }
  // The sums of lanes of s[0][0], s[0][1], s[1][0] ...: pairs of vectors become one, four times.
  R1_INLINE static void sums(const Float (&s)[8][2], float* to) {
    Float pair[8], four[4], eight[2];
    unroll<8>([&](auto i) R1_INLINE {
      pair[i] = add(_mm512_unpacklo_ps(s[i][0], s[i][1]), _mm512_unpackhi_ps(s[i][0], s[i][1]));
    });
    unroll<4>([&](auto i) R1_INLINE {
      four[i] = add(_mm512_shuffle_ps(pair[2 * i], pair[2 * i + 1], 0x44),
                    _mm512_shuffle_ps(pair[2 * i], pair[2 * i + 1], 0xee));
    });
    unroll<2>([&](auto i) R1_INLINE { eight[i] = add_quarters(four[2 * i], four[2 * i + 1]); });
    store(to, add_quarters(eight[0], eight[1]));
  }
  R1_INLINE static Float add_quarters(Float a, Float b) {
    return add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  R1_INLINE static float max(Float x) {
    const __m256 eight = _mm256_max_ps(low(x), high(x));
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
  R1_INLINE static __m256 low(Float x) { return _mm512_castps512_ps256(x); }
  R1_INLINE static __m256 high(Float x) { return _mm512_extractf32x8_ps(x, 1); }
  R1_INLINE static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  R1_INLINE static Float select(__mmask16 mask, Float a, Float b) {
    return _mm512_mask_blend_ps(mask, b, a);
  }
};

using Loop = AttentionLoop<V16>;

}  // namespace

void attention_avx512(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                      std::span<const AttentionQuery> queries) {
  if (!Loop::suits(kv)) return attention_avx2(kv, scale, pages, first, queries);
  Loop::attend(kv, scale, pages, first, queries);
}

}  // namespace r1
