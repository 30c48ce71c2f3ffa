// The frequencies of RoPE under a model's scaling, and the angles of a batch's positions.
#pragma once

#include <span>
#include <vector>

#include "model/config.h"
#include "tensor/ops.h"

namespace r1 {

// Radians a position, one a pair [dim / 2]: theta^(-2i/dim), scaled.
std::vector<double> rope_frequencies(const RopeConfig& rope);

// cos and sin of position * frequency, computed in double and rounded once, times the attention
// factor.
RopeAngles rope_angles(Context& ctx, const RopeConfig& rope, std::span<const double> frequencies,
                       std::span<const int32_t> positions);

}  // namespace r1
