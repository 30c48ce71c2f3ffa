#include "kernels/swiglu/swiglu_backward.h"

#include "tests/support/finite_difference.h"

namespace r1 {
namespace {

TEST(SwiGluBackward, IsTheDerivativeOfTheFormula) {
  constexpr size_t kN = 20;
  auto gate = normal_values(kN, 1), up = normal_values(kN, 2);
  const auto dy = normal_values(kN, 3);
  const auto f = [&] {
    std::vector<double> y(kN);
    for (size_t i = 0; i < kN; ++i) y[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    return weighted_sum(y, dy);
  };
  std::vector<double> dgate(kN), dup(kN);
  swiglu_backward(gate.data(), up.data(), dy.data(), kN, dgate.data(), dup.data());
  expect_gradient(gate, dgate, f);
  expect_gradient(up, dup, f);
}

}  // namespace
}  // namespace r1
