#include <arm_neon.h>

#include "kernels/matmul/unroll.h"
#include "kernels/peak_variants.h"

namespace r1 {
namespace {

constexpr int kChains = 16;  // hide the latency of an FMA on four ports

int64_t f32_loop(int64_t n_rounds) { return kPeakNeon.f32(n_rounds); }

int64_t int8_loop(int64_t n_rounds) {
  int32x4_t sums[kChains];
  unroll<kChains>([&](auto i) R1_INLINE { sums[i] = vdupq_n_s32(0); });
  const int8x16_t w = vdupq_n_s8(1);
  for (int64_t round = 0; round < n_rounds; ++round) {
    unroll<kChains>([&](auto i) R1_INLINE {
      int32x4_t sum = vmmlaq_s32(sums[i], w, w);
      asm volatile("" : "+w"(sum));  // each round anew
      sums[i] = sum;
    });
  }
  return n_rounds * kChains * 32 * 2;
}

}  // namespace

const PeakLoops kPeakI8mm = {f32_loop, int8_loop};

}  // namespace r1
