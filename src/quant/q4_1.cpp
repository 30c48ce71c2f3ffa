// Q4_1: 32 elements in 20 bytes, d q + m with q in 0..15.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/half.h"

namespace r1 {

void decode_q4_1(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ4_1*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const float d = f16_to_f32(block->d);
    const float m = f16_to_f32(block->m);
    for (size_t j = 0; j < 16; ++j) {
      values[i + j] = d * static_cast<float>(block->qs[j] & 15) + m;
      values[i + j + 16] = d * static_cast<float>(block->qs[j] >> 4) + m;
    }
  }
}

}  // namespace r1
