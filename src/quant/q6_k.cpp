// Q6_K: 256 elements in 210 bytes; groups of 16 with an 8-bit scale: d scale (q - 32), q in 0..63.
#include <algorithm>
#include <iterator>

#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
#include "quant/fit_super.h"
#include "quant/half.h"

namespace r1 {

void decode_q6_k(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ6_K*>(blocks);
  for (; n > 0; n -= kSuperBlock, ++block) {
    const float d = f16_to_f32(block->d);
    for (int g = 0; g < 16; ++g) {  // x[16 g ..]: half g / 8, quarter g / 2 % 4 of it
      const float step = d * static_cast<float>(block->scales[g]);
      const int half = g / 8, quarter = g / 2 % 4, at = 16 * (g % 2);
      const uint8_t* ql = block->ql + 64 * half + 32 * (quarter % 2) + at;
      const uint8_t* qh = block->qh + 32 * half + at;
      for (int l = 0; l < 16; ++l) {
        const int low = (ql[l] >> (4 * (quarter / 2))) & 15;
        const int high = (qh[l] >> (2 * quarter)) & 3;
        *values++ = step * static_cast<float>((low | high << 4) - 32);
      }
    }
  }
}

void encode_q6_k(const float* values, std::byte* blocks, size_t n, const float* importance) {
  auto* block = reinterpret_cast<BlockQ6_K*>(blocks);
  for (size_t i = 0; i < n; i += kSuperBlock, ++block) {
    const ScaledSuper fit = fit_scaled_super(values + i, importance ? importance + i : kOnes, kQ6K);
    block->d = f32_to_f16(fit.d);
    std::copy(std::begin(fit.scales), std::end(fit.scales), block->scales);
    for (int half = 0; half < 2; ++half) {
      for (int l = 0; l < 32; ++l) {
        int q[4];  // the four quarters' elements l
        for (int quarter = 0; quarter < 4; ++quarter)
          q[quarter] = fit.q[128 * half + 32 * quarter + l] + 32;
        block->ql[64 * half + l] = static_cast<uint8_t>((q[0] & 15) | (q[2] & 15) << 4);
        block->ql[64 * half + 32 + l] = static_cast<uint8_t>((q[1] & 15) | (q[3] & 15) << 4);
        block->qh[32 * half + l] =
            static_cast<uint8_t>(q[0] >> 4 | q[1] >> 4 << 2 | q[2] >> 4 << 4 | q[3] >> 4 << 6);
      }
    }
  }
}

}  // namespace r1
