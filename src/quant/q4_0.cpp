// Q4_0: 32 elements in 18 bytes, d (q - 8) with q in 0..15.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
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

void encode_q4_0(const float* values, std::byte* blocks, size_t n, const float* importance) {
  constexpr Levels kLevels = {-8, 7};
  auto* block = reinterpret_cast<BlockQ4_0*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const Group group{values + i, importance ? importance + i : kOnes, kSmallBlock};
    const Grid grid = fit_scaled(group, kLevels, as_f16).grid;
    int8_t q[kSmallBlock];
    nearest(group, grid, kLevels, q);
    block->d = f32_to_f16(grid.step);
    for (int j = 0; j < 16; ++j)
      block->qs[j] = static_cast<uint8_t>((q[j] + 8) | (q[j + 16] + 8) << 4);
  }
}

}  // namespace r1
