// Attention with AVX2: eight positions or elements in a register; see attention_loop.h.
#include <cstring>

#include "kernels/attention/attention_loop.h"
#include "kernels/attention/kv_store_loop.h"
#include "kernels/exp/exp_avx2.h"

namespace r1 {
namespace {

struct V8 {
  using Float = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kValueRegisters = 2;  // of six queries: 12 sums hide the latency
  static constexpr int kLatentTogether = 4;

  R1_INLINE static Float zero() { return _mm256_setzero_ps(); }
  R1_INLINE static Float broadcast(float x) { return _mm256_set1_ps(x); }
  R1_INLINE static Float load(const float* at) { return _mm256_loadu_ps(at); }
  R1_INLINE static Float load_f16(const std::byte* at) { return _mm256_cvtph_ps(halves(at)); }
  R1_INLINE static Float load_bf16(const std::byte* at) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves(at)), 16));
  }
  R1_INLINE static Float load_i8(const std::byte* at) {
    const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
  }
  R1_INLINE static float f16(const std::byte* at) {
    uint16_t half;
    std::memcpy(&half, at, 2);
    return _cvtsh_ss(half);
  }
  R1_INLINE static Float keep(Float x) {  // in a register, not loaded again at each use
    asm("" : "+x"(x));
    return x;
  }
  R1_INLINE static __m128i halves(const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
  R1_INLINE static void store(float* at, Float x) { _mm256_storeu_ps(at, x); }
  R1_INLINE static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  R1_INLINE static Float max(Float a, Float b) { return _mm256_max_ps(a, b); }
  R1_INLINE static Float exp2(Float x) { return exp2_avx2(x); }
  R1_INLINE static float exp2(float x) { return _mm256_cvtss_f32(exp2_avx2(_mm256_set1_ps(x))); }
  R1_INLINE static float sum(Float x) { return sum_avx2(x); }
  // The sums of lanes of s[0][0], s[0][1], s[1][0] ...: pairs of vectors become one, three times.
  R1_INLINE static void sums(const Float (&s)[4][2], float* to) {
    Float pair[4];
    unroll<4>([&](auto i) R1_INLINE {
      pair[i] = add(_mm256_unpacklo_ps(s[i][0], s[i][1]), _mm256_unpackhi_ps(s[i][0], s[i][1]));
    });
    Float four[2];
    unroll<2>([&](auto i) R1_INLINE {
      four[i] = add(_mm256_shuffle_ps(pair[2 * i], pair[2 * i + 1], 0x44),
                    _mm256_shuffle_ps(pair[2 * i], pair[2 * i + 1], 0xee));
    });
    store(to, add(_mm256_permute2f128_ps(four[0], four[1], 0x20),
                  _mm256_permute2f128_ps(four[0], four[1], 0x31)));
  }
  R1_INLINE static float max(Float x) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
  R1_INLINE static __m256 first(int n) { return _mm256_castsi256_ps(lanes_avx2(n)); }
  R1_INLINE static Float select(__m256 mask, Float a, Float b) {
    return _mm256_blendv_ps(b, a, mask);
  }
};

struct F16 {
  static uint16_t narrow(float x) {
    const __m128i half = _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT);
    return static_cast<uint16_t>(_mm_extract_epi16(half, 0));
  }
};

using Loop = AttentionLoop<V8>;

}  // namespace

void attention_avx2(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                    std::span<const AttentionQuery> queries) {
  if (!Loop::suits(kv)) return attention_ref(kv, scale, pages, first, queries);
  Loop::attend(kv, scale, pages, first, queries);
}

void attention_merge_avx2(const KvHead& kv, AttentionSum& sum, float* y, const AttentionSum& later,
                          const float* later_y) {
  if (!Loop::suits(kv)) return attention_merge_ref(kv, sum, y, later, later_y);
  Loop::merge(kv.v_dim, sum, y, later, later_y);
}

void kv_store_avx2(const KvHead& kv, int32_t page, int offset, const float* k, const float* v) {
  KvStoreLoop<F16>::store(kv, page, offset, k, v);
}

}  // namespace r1
