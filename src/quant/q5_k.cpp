// Q5_K: 256 elements in 176 bytes; Q4_K with a fifth bit: d scale q - dmin min, q in 0..31.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
#include "quant/fit_super.h"
#include "quant/half.h"

namespace r1 {

void decode_q5_k(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ5_K*>(blocks);
  for (; n > 0; n -= kSuperBlock, ++block) {
    const float d = f16_to_f32(block->d);
    const float dmin = f16_to_f32(block->dmin);
    for (int g = 0; g < 8; ++g) {
      int scale, min;
      unpack_scale_k4(block->scales, g, scale, min);
      const float step = d * static_cast<float>(scale);
      const float offset = dmin * static_cast<float>(min);
      const uint8_t* qs = block->qs + 32 * (g / 2);
      const int shift = 4 * (g % 2);
      for (int l = 0; l < 32; ++l) {
        const int q = ((qs[l] >> shift) & 15) | ((block->qh[l] >> g) & 1) << 4;
        *values++ = step * static_cast<float>(q) - offset;
      }
    }
  }
}

void encode_q5_k(const float* values, std::byte* blocks, size_t n, const float* importance) {
  auto* block = reinterpret_cast<BlockQ5_K*>(blocks);
  for (size_t i = 0; i < n; i += kSuperBlock, ++block) {
    const AffineSuper fit = fit_affine_super(values + i, importance ? importance + i : kOnes, kQ5K);
    block->d = f32_to_f16(fit.d);
    block->dmin = f32_to_f16(fit.dmin);
    pack_scales_k4(fit.scales, fit.mins, block->scales);
    for (int l = 0; l < 32; ++l) {
      int fifth = 0;
      for (int g = 0; g < 8; g += 2) {
        const int low = fit.q[32 * g + l], high = fit.q[32 * g + 32 + l];
        block->qs[16 * g + l] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
        fifth |= (low >> 4) << g | (high >> 4) << (g + 1);
      }
      block->qh[l] = static_cast<uint8_t>(fifth);
    }
  }
}

}  // namespace r1
