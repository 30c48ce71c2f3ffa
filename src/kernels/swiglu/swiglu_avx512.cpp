// SwiGLU's gate with AVX-512; the tail is a masked register of the same arithmetic.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/exp/exp_avx512.h"
#include "kernels/swiglu/swiglu.h"

namespace r1 {
namespace {

__m512 swiglu16(__m512 gate, __m512 up) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 e = exp_avx512(_mm512_sub_ps(_mm512_setzero_ps(), gate));
  return _mm512_mul_ps(_mm512_div_ps(gate, _mm512_add_ps(one, e)), up);
}

}  // namespace

void swiglu_avx512(const float* gate, const float* up, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(y + i, swiglu16(_mm512_loadu_ps(gate + i), _mm512_loadu_ps(up + i)));
  }
  if (i == n) return;
  const auto tail = static_cast<__mmask16>((1u << (n - i)) - 1);
  const __m512 last =
      swiglu16(_mm512_maskz_loadu_ps(tail, gate + i), _mm512_maskz_loadu_ps(tail, up + i));
  _mm512_mask_storeu_ps(y + i, tail, last);
}

}  // namespace r1
