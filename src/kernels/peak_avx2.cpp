#include <immintrin.h>

#include "kernels/matmul/unroll.h"
#include "kernels/peak_variants.h"

namespace r1 {
namespace {

constexpr int kChains = 12;  // enough to hide the latency of an FMA on two ports

int64_t f32_loop(int64_t n_rounds) {
  __m256 sums[kChains];
  unroll<kChains>([&](auto i) { sums[i] = _mm256_setzero_ps(); });
  __m256 w = _mm256_set1_ps(1), x = w;
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) {
      sums[i] = _mm256_fmadd_ps(w, x, sums[i]);
      asm volatile("" : "+x"(sums[i]));
    });
  }
  return n_rounds * kChains * 8 * 2;
}

int64_t int8_loop(int64_t n_rounds) {
  __m256i sums[kChains];
  unroll<kChains>([&](auto i) { sums[i] = _mm256_setzero_si256(); });
  __m256i w = _mm256_set1_epi8(1), x = w;
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) {
      asm volatile("" : "+x"(w));
      sums[i] = _mm256_add_epi16(sums[i], _mm256_maddubs_epi16(w, x));
      asm volatile("" : "+x"(sums[i]));
    });
  }
  return n_rounds * kChains * 32 * 2;
}

}  // namespace

const PeakLoops kPeakAvx2 = {f32_loop, int8_loop};

}  // namespace r1
