#include "quant/fp8.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "quant/half.h"

namespace r1 {
namespace {

std::array<float, 256> all_values() {
  std::array<float, 256> values;
  for (size_t i = 0; i < 256; ++i) values[i] = f8e4m3_to_f32(static_cast<uint8_t>(i));
  return values;
}

}  // namespace

void decode_fp8_rows(const std::byte* bytes, const std::byte* scale_inv, int64_t cols,
                     int64_t row_begin, int64_t row_end, float* values) {
  static const std::array<float, 256> table = all_values();
  const int64_t col_blocks = (cols + kFp8Block - 1) / kFp8Block;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const std::byte* in = bytes + row * cols;
    for (int64_t b = 0; b < col_blocks; ++b) {
      float scale;
      std::memcpy(&scale, scale_inv + (row / kFp8Block * col_blocks + b) * 4, sizeof scale);
      const int64_t end = std::min((b + 1) * kFp8Block, cols);
      for (int64_t j = b * kFp8Block; j < end; ++j)
        *values++ = table[static_cast<uint8_t>(in[j])] * scale;
    }
  }
}

}  // namespace r1
