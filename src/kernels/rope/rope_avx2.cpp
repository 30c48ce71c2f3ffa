// Rotary position embedding with AVX2. Products and sums are rounded separately, as the definition
// rounds them, so that the pairs left over at the end can be done one by one with the same bits.
#include <immintrin.h>

#include <algorithm>

#include "kernels/rope/rope.h"

namespace r1 {
namespace {

// Pairs (i, i + n_pairs); returns how many pairs are done.
int64_t rotate_halves(const float* x, const float* cos, const float* sin, int64_t n_pairs,
                      float* y) {
  int64_t i = 0;
  for (; i + 8 <= n_pairs; i += 8) {
    const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + n_pairs + i);
    const __m256 c = _mm256_loadu_ps(cos + i), s = _mm256_loadu_ps(sin + i);
    _mm256_storeu_ps(y + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
    _mm256_storeu_ps(y + n_pairs + i, _mm256_add_ps(_mm256_mul_ps(b, c), _mm256_mul_ps(a, s)));
  }
  return i;
}

// Pairs (2i, 2i + 1), four to a register.
int64_t rotate_adjacent(const float* x, const float* cos, const float* sin, int64_t n_pairs,
                        float* y) {
  const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  int64_t i = 0;
  for (; i + 4 <= n_pairs; i += 4) {
    const __m256 v = _mm256_loadu_ps(x + 2 * i);
    const __m256 c = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cos + i)), twice);
    const __m256 s = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sin + i)), twice);
    const __m256 swapped = _mm256_permute_ps(v, 0b10110001);
    _mm256_storeu_ps(y + 2 * i, _mm256_addsub_ps(_mm256_mul_ps(v, c), _mm256_mul_ps(swapped, s)));
  }
  return i;
}

}  // namespace

void rope_avx2(const float* x, const float* cos, const float* sin, RopeLayout layout,
               int64_t n_heads, int64_t head_dim, int64_t n_pairs, float* y) {
  const bool adjacent = layout == RopeLayout::kAdjacent;
  for (int64_t head = 0; head < n_heads; ++head, x += head_dim, y += head_dim) {
    int64_t i = adjacent ? rotate_adjacent(x, cos, sin, n_pairs, y)
                         : rotate_halves(x, cos, sin, n_pairs, y);
    for (; i < n_pairs; ++i) {
      const int64_t a = adjacent ? 2 * i : i, b = adjacent ? 2 * i + 1 : i + n_pairs;
      y[a] = x[a] * cos[i] - x[b] * sin[i];
      y[b] = x[b] * cos[i] + x[a] * sin[i];
    }
    std::copy(x + 2 * n_pairs, x + head_dim, y + 2 * n_pairs);
  }
}

}  // namespace r1
