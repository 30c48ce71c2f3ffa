// Q5_0: 32 elements in 22 bytes, d (q - 16) with q in 0..31.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
#include "quant/half.h"

namespace r1 {

void decode_q5_0(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ5_0*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const float d = f16_to_f32(block->d);
    const uint32_t qh = block->qh;
    for (uint32_t j = 0; j < 16; ++j) {
      const uint32_t low = (block->qs[j] & 15u) | ((qh >> j) & 1u) << 4;
      const uint32_t high = (block->qs[j] >> 4) | ((qh >> (j + 16)) & 1u) << 4;
      values[i + j] = d * static_cast<float>(static_cast<int>(low) - 16);
      values[i + j + 16] = d * static_cast<float>(static_cast<int>(high) - 16);
    }
  }
}

void encode_q5_0(const float* values, std::byte* blocks, size_t n, const float* importance) {
  constexpr Levels kLevels = {-16, 15};
  auto* block = reinterpret_cast<BlockQ5_0*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const Group group{values + i, importance ? importance + i : kOnes, kSmallBlock};
    const Grid grid = fit_scaled(group, kLevels, as_f16).grid;
    int8_t q[kSmallBlock];
    nearest(group, grid, kLevels, q);
    block->d = f32_to_f16(grid.step);
    block->qh = 0;
    for (int j = 0; j < 16; ++j) {
      const auto low = static_cast<uint32_t>(q[j] + 16),
                 high = static_cast<uint32_t>(q[j + 16] + 16);
      block->qs[j] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
      block->qh |= (low >> 4) << j | (high >> 4) << (j + 16);
    }
  }
}

}  // namespace r1
