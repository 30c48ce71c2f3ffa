// SwiGLU's gate with AVX2; the tail is a masked register of the same arithmetic.
#include "kernels/exp/exp_avx2.h"
#include "kernels/swiglu/swiglu.h"

namespace r1 {
namespace {

__m256 swiglu8(__m256 gate, __m256 up) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 e = exp_avx2(_mm256_sub_ps(_mm256_setzero_ps(), gate));
  return _mm256_mul_ps(_mm256_div_ps(gate, _mm256_add_ps(one, e)), up);
}

}  // namespace

void swiglu_avx2(const float* gate, const float* up, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, swiglu8(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
  }
  const __m256i tail = lanes_avx2(static_cast<int>(n - i));
  const __m256 last = swiglu8(_mm256_maskload_ps(gate + i, tail), _mm256_maskload_ps(up + i, tail));
  _mm256_maskstore_ps(y + i, tail, last);
}

}  // namespace r1
