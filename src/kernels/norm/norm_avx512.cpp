// RMSNorm with AVX-512: four registers of partial sums, added pairwise at the end; the tail is a
// masked load.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cmath>

#include "kernels/norm/norm.h"

namespace r1 {

void rms_norm_avx512(const float* x, const float* w, float eps, int64_t rows, int64_t cols,
                     float* y) {
  const auto tail = static_cast<__mmask16>((1u << (cols % 16)) - 1);
  const int64_t whole = cols - cols % 16;
  for (int64_t i = 0; i < rows; ++i, x += cols, y += cols) {
    __m512 sum[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                     _mm512_setzero_ps()};
    int64_t j = 0;
    for (; j + 64 <= whole; j += 64) {
      for (int lane = 0; lane < 4; ++lane) {
        const __m512 v = _mm512_loadu_ps(x + j + 16 * lane);
        sum[lane] = _mm512_fmadd_ps(v, v, sum[lane]);
      }
    }
    for (; j < whole; j += 16) {
      const __m512 v = _mm512_loadu_ps(x + j);
      sum[0] = _mm512_fmadd_ps(v, v, sum[0]);
    }
    const __m512 last = _mm512_maskz_loadu_ps(tail, x + whole);
    sum[1] = _mm512_fmadd_ps(last, last, sum[1]);
    const float squares = _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3])));
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(squares / static_cast<float>(cols) + eps));
    for (j = 0; j < whole; j += 16) {
      const __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x + j), scale);
      _mm512_storeu_ps(y + j, _mm512_mul_ps(v, _mm512_loadu_ps(w + j)));
    }
    const __m512 v = _mm512_mul_ps(last, scale);
    _mm512_mask_storeu_ps(y + whole, tail,
                          _mm512_mul_ps(v, _mm512_maskz_loadu_ps(tail, w + whole)));
  }
}

}  // namespace r1
