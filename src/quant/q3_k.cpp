// Q3_K: 256 elements in 110 bytes; groups of 16 with a 6-bit scale: d (scale - 32) q, q in -4..3.
#include "quant/blocks.h"
#include "quant/codecs.h"
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

}  // namespace r1
