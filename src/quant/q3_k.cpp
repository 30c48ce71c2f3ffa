// Q3_K: 256 elements in 110 bytes; groups of 16 with a 6-bit scale: d (scale - 32) q, q in -4..3.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
#include "quant/fit_super.h"
#include "quant/half.h"

namespace r1 {

void decode_q3_k(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ3_K*>(blocks);
  for (; n > 0; n -= kSuperBlock, ++block) {
    const float d = f16_to_f32(block->d);
    for (int g = 0; g < 16; ++g) {  // Q2_K's order
      const float scale = d * static_cast<float>(unpack_scale_q3k(block->scales, g) - 32);
      const uint8_t* qs = block->qs + 32 * (g / 8) + 16 * (g % 2);
      const uint8_t* hmask = block->hmask + 16 * (g % 2);
      const int shift = 2 * (g / 2 % 4);
      for (int l = 0; l < 16; ++l) {
        const int q = ((qs[l] >> shift) & 3) - ((hmask[l] >> (g / 2)) & 1 ? 0 : 4);
        *values++ = scale * static_cast<float>(q);
      }
    }
  }
}

void encode_q3_k(const float* values, std::byte* blocks, size_t n, const float* importance) {
  auto* block = reinterpret_cast<BlockQ3_K*>(blocks);
  for (size_t i = 0; i < n; i += kSuperBlock, ++block) {
    const ScaledSuper fit = fit_scaled_super(values + i, importance ? importance + i : kOnes, kQ3K);
    *block = {};
    block->d = f32_to_f16(fit.d);
    pack_scales_q3k(fit.scales, block->scales);
    int8_t low[kSuperBlock];
    for (int j = 0; j < kSuperBlock; ++j) {
      const int q = fit.q[j] + 4;
      low[j] = static_cast<int8_t>(q & 3);
      block->hmask[j % 32] |= static_cast<uint8_t>(q >> 2 << (j / 32));
    }
    pack_two_bits(low, block->qs);
  }
}

}  // namespace r1
