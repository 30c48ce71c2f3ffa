// The passes of sampling over a row of logits, the definition.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/logits/logits.h"

namespace r1 {

bool block_max_ref(const float* x, int64_t n, float* greatest) {
  bool numbers = true;
  for (int64_t begin = 0; begin < n; begin += kLogitBlock) {
    float most = -std::numeric_limits<float>::infinity();
    for (int64_t i = begin; i < std::min(n, begin + kLogitBlock); ++i) {
      if (x[i] > most) most = x[i];
      numbers = numbers && !std::isnan(x[i]);
    }
    *greatest++ = most;
  }
  return numbers;
}

double sum_exp_ref(const float* x, int64_t n, float greatest, float scale) {
  constexpr float kMost = std::numeric_limits<float>::max();
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) continue;
    const double below = static_cast<double>(std::clamp(x[i], -kMost, kMost)) - greatest;
    sum += std::exp(static_cast<double>(scale) * below);
  }
  return sum;
}

}  // namespace r1
