// Q4_K: 256 elements in 144 bytes; groups of 32 with a 6-bit scale and min: d scale q - dmin min, q
// in 0..15.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/half.h"

namespace r1 {

void decode_q4_k(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ4_K*>(blocks);
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
      for (int l = 0; l < 32; ++l)
        *values++ = step * static_cast<float>((qs[l] >> shift) & 15) - offset;
    }
  }
}

}  // namespace r1
