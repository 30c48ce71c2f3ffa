// IQ4_NL and IQ4_XS: 4 bits that index a fixed table of unequal steps (kIQ4Values).
// IQ4_NL: 32 elements in 18 bytes, d T[q]. IQ4_XS: 256 in 136, 6-bit scales of 32 elements: d
// (scale - 32) T[q].
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/half.h"

namespace r1 {
namespace {

void decode_group(const uint8_t* qs, float step, float* values) {
  for (int j = 0; j < 16; ++j) {
    values[j] = step * static_cast<float>(kIQ4Values[qs[j] & 15]);
    values[j + 16] = step * static_cast<float>(kIQ4Values[qs[j] >> 4]);
  }
}

}  // namespace

void decode_iq4_nl(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockIQ4_NL*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block)
    decode_group(block->qs, f16_to_f32(block->d), values + i);
}

void decode_iq4_xs(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockIQ4_XS*>(blocks);
  for (; n > 0; n -= kSuperBlock, ++block) {
    const float d = f16_to_f32(block->d);
    for (int g = 0; g < 8; ++g, values += 32) {
      decode_group(block->qs + 16 * g, d * static_cast<float>(unpack_scale_iq4xs(*block, g) - 32),
                   values);
    }
  }
}

}  // namespace r1
