// Q8_0: 32 elements in 34 bytes, d q with q in -127..127.
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/fit.h"
#include "quant/half.h"

namespace r1 {

void decode_q8_0(const std::byte* blocks, float* values, size_t n) {
  const auto* block = reinterpret_cast<const BlockQ8_0*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const float d = f16_to_f32(block->d);
    for (size_t j = 0; j < kSmallBlock; ++j) values[i + j] = d * static_cast<float>(block->qs[j]);
  }
}

void encode_q8_0(const float* values, std::byte* blocks, size_t n, const float* importance) {
  constexpr Levels kLevels = {-127, 127};
  auto* block = reinterpret_cast<BlockQ8_0*>(blocks);
  for (size_t i = 0; i < n; i += kSmallBlock, ++block) {
    const Group group{values + i, importance ? importance + i : kOnes, kSmallBlock};
    const Grid grid = fit_scaled(group, kLevels, as_f16).grid;
    nearest(group, grid, kLevels, block->qs);
    block->d = f32_to_f16(grid.step);
  }
}

}  // namespace r1
