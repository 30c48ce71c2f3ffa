#include "model/layers/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace r1 {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

// The pair that makes `turns` turns within the original context (YaRN, section 3.2).
double pair_of_turns(const RopeConfig& rope, double turns) {
  return static_cast<double>(rope.dim) *
         std::log(static_cast<double>(rope.original_context) / (turns * kTurn)) /
         (2 * std::log(rope.theta));
}

// YaRN's "by parts": fast pairs keep their frequency, slow ones are divided, a ramp between (eq. 11
// to 13).
double yarn(const RopeConfig& rope, double f, double pair) {
  double low = pair_of_turns(rope, rope.beta_fast), high = pair_of_turns(rope, rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(rope.dim - 1));
  if (high == low) high += 0.001;
  const double ramp = std::clamp((pair - low) / (high - low), 0.0, 1.0);
  return f / rope.factor * ramp + f * (1 - ramp);
}

// Llama 3.1: by wavelength, with a smooth passage between the two bounds.
double llama3(const RopeConfig& rope, double f) {
  const double context = static_cast<double>(rope.original_context), wavelength = kTurn / f;
  const double t = (context / wavelength - rope.low_freq_factor) /
                   (rope.high_freq_factor - rope.low_freq_factor);
  const double kept = std::clamp(t, 0.0, 1.0);
  return f / rope.factor * (1 - kept) + f * kept;
}

}  // namespace

std::vector<double> rope_frequencies(const RopeConfig& rope) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < rope.dim / 2; ++i) {
    const double pair = static_cast<double>(i);
    double f = std::pow(rope.theta, -2 * pair / static_cast<double>(rope.dim));
    if (rope.scaling == RopeScaling::kLinear) f /= rope.factor;
    if (rope.scaling == RopeScaling::kYarn) f = yarn(rope, f, pair);
    if (rope.scaling == RopeScaling::kLlama3) f = llama3(rope, f);
    if (!rope.divisors.empty()) f /= rope.divisors[static_cast<size_t>(i)];
    frequencies.push_back(f);
  }
  return frequencies;
}

RopeAngles rope_angles(Context& ctx, const RopeConfig& rope, std::span<const double> frequencies,
                       std::span<const int32_t> positions) {
  const auto n_rows = static_cast<int64_t>(positions.size()),
             n_pairs = static_cast<int64_t>(frequencies.size());
  RopeAngles angles{ctx.tensor(n_rows, n_pairs), ctx.tensor(n_rows, n_pairs), rope.layout};
  ctx.parallel(n_rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (size_t i = 0; i < frequencies.size(); ++i) {
        const double angle = positions[static_cast<size_t>(t)] * frequencies[i];
        angles.cos.row(t)[i] = static_cast<float>(std::cos(angle) * rope.attention_factor);
        angles.sin.row(t)[i] = static_cast<float>(std::sin(angle) * rope.attention_factor);
      }
    }
  });
  return angles;
}

}  // namespace r1
