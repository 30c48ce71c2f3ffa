// The passes of sampling over a row of logits with AVX2. A block is four registers wide, so that
// four chains run side by side.
#include <algorithm>
#include <limits>

#include "kernels/exp/exp_avx2.h"
#include "kernels/logits/logits.h"

namespace r1 {
namespace {

constexpr int kLanes = 8, kChains = 4;
constexpr float kInf = std::numeric_limits<float>::infinity();

// Chain c of x [n], with `filler` in the lanes beyond n.
__m256 load(const float* x, int64_t n, int c, float filler) {
  const int64_t begin = int64_t{c} * kLanes;
  if (begin + kLanes <= n) return _mm256_loadu_ps(x + begin);
  const __m256i valid = lanes_avx2(static_cast<int>(std::clamp<int64_t>(n - begin, 0, kLanes)));
  return _mm256_blendv_ps(_mm256_set1_ps(filler), _mm256_maskload_ps(x + begin, valid),
                          _mm256_castsi256_ps(valid));
}

float max_of(__m256 x) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

}  // namespace

bool block_max_avx2(const float* x, int64_t n, float* greatest) {
  __m256 no_number = _mm256_setzero_ps();
  for (int64_t begin = 0; begin < n; begin += kLogitBlock) {
    __m256 most[kChains];
    for (auto& m : most) m = _mm256_set1_ps(-kInf);
    for (int64_t i = begin; i < std::min(n, begin + kLogitBlock); i += kChains * kLanes) {
      for (int c = 0; c < kChains; ++c) {
        const __m256 v = load(x + i, n - i, c, -kInf);
        most[c] = _mm256_max_ps(v, most[c]);  // the second where the first is NaN
        no_number = _mm256_or_ps(no_number, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
      }
    }
    *greatest++ =
        max_of(_mm256_max_ps(_mm256_max_ps(most[0], most[1]), _mm256_max_ps(most[2], most[3])));
  }
  return _mm256_testz_ps(no_number, no_number) != 0;
}

double sum_exp_avx2(const float* x, int64_t n, float greatest, float scale) {
  const __m256 top = _mm256_set1_ps(greatest), factor = _mm256_set1_ps(scale);
  const __m256 most = _mm256_set1_ps(std::numeric_limits<float>::max());
  const __m256 least = _mm256_sub_ps(_mm256_setzero_ps(), most);
  __m256 sum[kChains];
  for (auto& s : sum) s = _mm256_setzero_ps();
  for (int64_t i = 0; i < n; i += kChains * kLanes) {
    for (int c = 0; c < kChains; ++c) {
      const __m256 v = load(x + i, n - i, c, std::numeric_limits<float>::quiet_NaN());
      const __m256 finite = _mm256_min_ps(_mm256_max_ps(v, least), most);  // NaN: least
      const __m256 e = exp_avx2(_mm256_mul_ps(_mm256_sub_ps(finite, top), factor));
      sum[c] = _mm256_add_ps(sum[c], _mm256_and_ps(e, _mm256_cmp_ps(v, v, _CMP_ORD_Q)));
    }
  }
  return static_cast<double>(
      sum_avx2(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]))));
}

}  // namespace r1
