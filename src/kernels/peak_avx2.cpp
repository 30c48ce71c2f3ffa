#include <immintrin.h>

#include "kernels/matmul/unroll.h"
#include "kernels/peak_variants.h"

namespace r1 {
namespace {

constexpr int kChains = 12;  // enough to hide the latency of an FMA on two ports

int64_t f32_loop(int64_t n_rounds) {
  __m256 sums[kChains];
  unroll<kChains>([&](auto i) R1_INLINE { sums[i] = _mm256_setzero_ps(); });
  __m256 w = _mm256_set1_ps(1), x = w;
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) R1_INLINE {
      __m256 sum = _mm256_fmadd_ps(w, x, sums[i]);
      asm volatile("" : "+x"(sum));  // each round anew
      sums[i] = sum;
    });
  }
  return n_rounds * kChains * 8 * 2;
}

int64_t int8_loop(int64_t n_rounds) {
  __m256i sums[kChains];
  unroll<kChains>([&](auto i) R1_INLINE { sums[i] = _mm256_setzero_si256(); });
  __m256i w = _mm256_set1_epi8(1), x = w;
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) R1_INLINE {
      __m256i products;
      asm volatile("vpmaddubsw %2, %1, %0" : "=x"(products) : "x"(w), "x"(x));
      __m256i sum = _mm256_add_epi16(sums[i], products);
      asm volatile("" : "+x"(sum));
      sums[i] = sum;
    });
  }
  return n_rounds * kChains * 32 * 2;
}

}  // namespace

const PeakLoops kPeakAvx2 = {f32_loop, int8_loop};

}  // namespace r1
