// Q4_1: 32 elements in 20 bytes, d q + m with q in 0..15.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
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

void encode_q4_1(const float* values, std::byte* blocks, size_t n, const float* importance) {
  constexpr Levels kLevels = {0, 15};
  auto* block = reinterpret_cast<BlockQ4_1*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const Group group{values + i, importance ? importance + i : kOnes, kSmallBlock};
    const Grid grid = fit_affine(group, kLevels.hi, kFree, as_f16).grid;
    int8_t q[kSmallBlock];
    nearest(group, grid, kLevels, q);
    block->d = f32_to_f16(grid.step);
    block->m = f32_to_f16(grid.offset);
    for (int j = 0; j < 16; ++j) block->qs[j] = static_cast<uint8_t>(q[j] | q[j + 16] << 4);
  }
}

}  // namespace r1
