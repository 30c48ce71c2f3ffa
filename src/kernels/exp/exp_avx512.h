// exp(x) and 2^x of sixteen floats, as in exp_avx2.h bit for bit. Included by *_avx512.cpp files
// only.
#pragma once

#include "kernels/exp/exp_avx2.h"

namespace r1 {

static inline __m512 exp_avx512(__m512 x) {
  // A NaN is the second operand and stays.
  x = _mm512_min_ps(_mm512_set1_ps(88.0f), _mm512_max_ps(_mm512_set1_ps(-87.0f), x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.63p-1f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-0x1.bd0106p-13f), r);
  constexpr float kTaylor[] = {1,         1,          0.5f,       1.0f / 6,
                               1.0f / 24, 1.0f / 120, 1.0f / 720, 1.0f / 5040};
  __m512 e = _mm512_set1_ps(kTaylor[7]);
  for (int i = 6; i >= 0; --i) e = _mm512_fmadd_ps(e, r, _mm512_set1_ps(kTaylor[i]));
  return _mm512_scalef_ps(e, n);
}

static inline __m512 exp2_avx512(__m512 x) {
  x = _mm512_min_ps(_mm512_set1_ps(127.0f), _mm512_max_ps(_mm512_set1_ps(-126.0f), x));
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);
  __m512 e = _mm512_set1_ps(kExp2[5]);
  for (int i = 4; i >= 0; --i) e = _mm512_fmadd_ps(e, r, _mm512_set1_ps(kExp2[i]));
  return _mm512_scalef_ps(e, n);
}

}  // namespace r1
