// How much the error of each weight counts when a matrix is quantized without calibration data. Two
// things are known of y = W x: where x comes out of an RMS norm, its element j has about the size
// of the norm's weight g_j, so an error in column j costs g_j^2; and large weights matter more than
// their squared error says (least squares alone clips them; judged by perplexity).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace r1 {

// The name of the norm whose output a matrix multiplies, "" where there is none. `tied`: the
// embedding is the head too.
std::string input_norm(std::string_view tensor, bool tied);

// importance[i] of the rows in `values` (whole rows of `cols`): (1 + |w| / rms of its 32) * g_j^2;
// `norm` is g [cols], or empty.
void weigh(std::span<const float> values, std::span<const float> norm, size_t cols,
           float* importance);

}  // namespace r1
