// FP8 weights as DeepSeek-V3 publishes them: e4m3 bytes and one F32 factor per block of 128 x 128
// (their name: scale_inv). W[i, j] = e4m3[i, j] * scale_inv[i / 128, j / 128]; the last blocks may
// be ragged. Source: DeepSeek-V3 inference/kernel.py (weight_dequant), technical report
// section 3.3.2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace r1 {

constexpr int64_t kFp8Block = 128;

// Rows [row_begin, row_end) of an F8E4M3 tensor [rows, cols] into values [row_end - row_begin,
// cols]. bytes and scale_inv are the whole tensors; scale_inv F32 [ceil(rows / 128), ceil(cols /
// 128)] as stored.
void decode_fp8_rows(const std::byte* bytes, const std::byte* scale_inv, int64_t cols,
                     int64_t row_begin, int64_t row_end, float* values);

}  // namespace r1
