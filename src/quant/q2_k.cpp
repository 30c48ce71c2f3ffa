// Q2_K: 256 elements in 84 bytes; groups of 16 with a 4-bit scale and min: d scale q - dmin min, q
// in 0..3.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
#include "quant/fit_super.h"
#include "quant/half.h"

namespace r1 {

void decode_q2_k(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ2_K*>(blocks);
  for (; n > 0; n -= kSuperBlock, ++block) {
    const float d = f16_to_f32(block->d);
    const float dmin = f16_to_f32(block->dmin);
    for (int g = 0; g < 16;
         ++g) {  // x[16 g ..]: half g / 8, shift 2 (g / 2 % 4), bytes 16 (g % 2) ..
      const float scale = d * static_cast<float>(block->scales[g] & 15);
      const float min = dmin * static_cast<float>(block->scales[g] >> 4);
      const uint8_t* qs = block->qs + 32 * (g / 8) + 16 * (g % 2);
      const int shift = 2 * (g / 2 % 4);
      for (int l = 0; l < 16; ++l)
        *values++ = scale * static_cast<float>((qs[l] >> shift) & 3) - min;
    }
  }
}

void encode_q2_k(const float* values, std::byte* blocks, size_t n, const float* importance) {
  auto* block = reinterpret_cast<BlockQ2_K*>(blocks);
  for (size_t i = 0; i < n; i += kSuperBlock, ++block) {
    const AffineSuper fit = fit_affine_super(values + i, importance ? importance + i : kOnes, kQ2K);
    block->d = f32_to_f16(fit.d);
    block->dmin = f32_to_f16(fit.dmin);
    for (int g = 0; g < 16; ++g)
      block->scales[g] = static_cast<uint8_t>(fit.scales[g] | fit.mins[g] << 4);
    pack_two_bits(fit.q, block->qs);
  }
}

}  // namespace r1
