#include "kernels/gate/gate_backward.h"

#include "tests/support/finite_difference.h"

namespace r1 {
namespace {

TEST(GateBackward, IsTheDerivativeOfTheWeights) {
  for (const bool sigmoid : {false, true}) {
    for (const bool norm : {false, true}) {
      const Gate g{.n_experts = 7, .n_used = 3, .sigmoid = sigmoid, .norm = norm, .scale = 2.5f};
      const int32_t chosen[] = {0, 3, 6};
      auto logits = normal_values(7, 1);
      const auto dw = normal_values(3, 2);
      const auto f = [&] {
        std::vector<double> s(7);
        double all = 0, z = 0, sum = 0;
        for (const double l : logits) all += std::exp(l);
        for (size_t i = 0; i < 7; ++i)
          s[i] = sigmoid ? 1 / (1 + std::exp(-logits[i])) : std::exp(logits[i]) / all;
        for (const int32_t e : chosen) z += s[static_cast<size_t>(e)];
        for (size_t k = 0; k < 3; ++k)
          sum += dw[k] * 2.5 * s[static_cast<size_t>(chosen[k])] / (norm ? z : 1);
        return sum;
      };
      std::vector<double> gradient(7);
      gate_backward(g, logits.data(), chosen, dw.data(), gradient.data());
      expect_gradient(logits, gradient, f);
    }
  }
}

}  // namespace
}  // namespace r1
