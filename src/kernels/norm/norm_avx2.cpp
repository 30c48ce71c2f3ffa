// RMSNorm with AVX2: four registers of partial sums, added pairwise at the end; the tail is a
// masked load.
#include <cmath>

#include "kernels/exp/exp_avx2.h"
#include "kernels/norm/norm.h"

namespace r1 {

void rms_norm_avx2(const float* x, const float* w, float eps, int64_t rows, int64_t cols,
                   float* y) {
  const __m256i tail = lanes_avx2(static_cast<int>(cols % 8));
  const int64_t whole = cols - cols % 8;
  for (int64_t i = 0; i < rows; ++i, x += cols, y += cols) {
    __m256 sum[4] = {};
    int64_t j = 0;
    for (; j + 32 <= whole; j += 32) {
      for (int lane = 0; lane < 4; ++lane) {
        const __m256 v = _mm256_loadu_ps(x + j + 8 * lane);
        sum[lane] = _mm256_fmadd_ps(v, v, sum[lane]);
      }
    }
    for (; j < whole; j += 8) {
      const __m256 v = _mm256_loadu_ps(x + j);
      sum[0] = _mm256_fmadd_ps(v, v, sum[0]);
    }
    const __m256 last = _mm256_maskload_ps(x + whole, tail);
    sum[1] = _mm256_fmadd_ps(last, last, sum[1]);
    const float squares =
        sum_avx2(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
    const __m256 scale = _mm256_set1_ps(1.0f / std::sqrt(squares / static_cast<float>(cols) + eps));
    for (j = 0; j < whole; j += 8) {
      const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + j), scale);
      _mm256_storeu_ps(y + j, _mm256_mul_ps(v, _mm256_loadu_ps(w + j)));
    }
    const __m256 v = _mm256_mul_ps(last, scale);
    _mm256_maskstore_ps(y + whole, tail, _mm256_mul_ps(v, _mm256_maskload_ps(w + whole, tail)));
  }
}

}  // namespace r1
