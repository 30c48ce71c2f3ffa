// The gradient of attention with AVX2; see attention_backward_loop.h.
#include "kernels/attention/attention_backward_loop.h"
#include "kernels/exp/exp_avx2.h"
#include "kernels/gemm/gemm_avx2.h"

namespace r1 {
namespace {

struct V : GemmV8 {
  R1_INLINE static Float set(float x) { return _mm256_set1_ps(x); }
  R1_INLINE static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  R1_INLINE static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
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

}  // namespace

void attention_backward_avx2(const AttentionGradient<float>& a, float* scratch) {
  AttentionBackwardLoop<V, GemmLoop<GemmV8>, F32Step<GemmV8>>::run(a, scratch);
}

}  // namespace r1
