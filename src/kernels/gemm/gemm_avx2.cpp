// Products of gradients with AVX2; BF16 is rounded to, and multiplied as F32.
#include "kernels/gemm/gemm_loop.h"
#include "kernels/vector_avx2.h"

namespace r1 {
namespace {

struct RoundedStep : F32Step<Vector8> {
  static constexpr bool kConverts = true;
  R1_INLINE static __m256 lanes(const float* from, int64_t, int64_t, __m256i m) {
    const __m256 x = Vector8::load(from, m);
    const __m256i bits = _mm256_castps_si256(x), odd = _mm256_srli_epi32(bits, 16);
    const __m256i half =
        _mm256_add_epi32(_mm256_set1_epi32(0x7fff), _mm256_and_si256(odd, _mm256_set1_epi32(1)));
    const __m256i nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256 rounded =
        _mm256_blendv_ps(_mm256_castsi256_ps(_mm256_add_epi32(bits, half)),
                         _mm256_castsi256_ps(nan), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_and_ps(rounded, _mm256_castsi256_ps(_mm256_set1_epi32(-0x10000)));
  }
  static void row(const float* from, int64_t depth, float* to) {
    for (int64_t k = 0; k < depth; k += 8) {
      const auto m = Vector8::first(static_cast<int>(std::min<int64_t>(8, depth - k)));
      Vector8::store(to + k, m, lanes(from + k, 0, 1, m));
    }
  }
};

}  // namespace

void gemm_avx2(const GemmProduct& p) {
  using Loop = GemmLoop<Vector8>;
  p.bf16 ? Loop::multiply<RoundedStep>(p) : Loop::multiply<F32Step<Vector8>>(p);
}

}  // namespace r1
