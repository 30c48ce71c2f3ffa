// Q4_0: 32 elements in 18 bytes, d (q - 8) with q in 0..15.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/half.h"

namespace r1 {

void decode_q4_0(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ4_0*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const float d = f16_to_f32(block->d);
    for (size_t j = 0; j < 16; ++j) {
      values[i + j] = d * static_cast<float>((block->qs[j] & 15) - 8);
      values[i + j + 16] = d * static_cast<float>((block->qs[j] >> 4) - 8);
    }
  }
}

}  // namespace r1
