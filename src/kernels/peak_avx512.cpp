#include <immintrin.h>

#include "kernels/matmul/unroll.h"
#include "kernels/peak_variants.h"

namespace r1 {
namespace {

constexpr int kChains = 12;

int64_t f32_loop(int64_t n_rounds) {
  __m512 sums[kChains];
  unroll<kChains>([&](auto i) R1_INLINE { sums[i] = _mm512_setzero_ps(); });
  __m512 w = _mm512_set1_ps(1), x = w;
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) R1_INLINE {
      __m512 sum = _mm512_fmadd_ps(w, x, sums[i]);
      asm volatile("" : "+v"(sum));  // each round anew
      sums[i] = sum;
    });
  }
  return n_rounds * kChains * 16 * 2;
}

int64_t int8_loop(int64_t n_rounds) {
  __m512i sums[kChains];
  unroll<kChains>([&](auto i) R1_INLINE { sums[i] = _mm512_setzero_si512(); });
  __m512i w = _mm512_set1_epi8(1), x = w;
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) R1_INLINE {
      __m512i sum = _mm512_dpbusd_epi32(sums[i], w, x);
      asm volatile("" : "+v"(sum));
      sums[i] = sum;
    });
  }
  return n_rounds * kChains * 64 * 2;
}

}  // namespace

const PeakLoops kPeakAvx512 = {f32_loop, int8_loop};

}  // namespace r1
