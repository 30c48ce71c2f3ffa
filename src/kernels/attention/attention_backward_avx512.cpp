// The gradient of attention with AVX-512; see attention_backward_loop.h.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/attention/attention_backward_loop.h"
#include "kernels/exp/exp_avx512.h"
#include "kernels/gemm/gemm_avx512.h"

namespace r1 {
namespace {

struct V : GemmV16 {
  R1_INLINE static Float set(float x) { return _mm512_set1_ps(x); }
  R1_INLINE static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  R1_INLINE static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  R1_INLINE static Float max(Float a, Float b) { return _mm512_max_ps(a, b); }
  R1_INLINE static Float exp(Float x) { return exp_avx512(x); }
  R1_INLINE static Float select(Mask m, Float a, Float b) { return _mm512_mask_blend_ps(m, b, a); }
  R1_INLINE static float largest(Float x) { return _mm512_reduce_max_ps(x); }
  R1_INLINE static float total(Float x) { return _mm512_reduce_add_ps(x); }
};

}  // namespace

void attention_backward_avx512(const AttentionGradient<float>& a, float* scratch) {
  AttentionBackwardLoop<V, GemmLoop<GemmV16>, F32Step<GemmV16>>::run(a, scratch);
}

}  // namespace r1
