#include "kernels/softmax/log_probability.h"

#include "tests/support/finite_difference.h"

namespace r1 {
namespace {

TEST(LogProbability, IsTheLogarithmOfTheSoftmax) {
  const float logits[] = {1, 2, 3};
  EXPECT_NEAR(log_probability(logits, 3, 1), 2 - std::log(std::exp(1) + std::exp(2) + std::exp(3)),
              1e-6);
  const float huge[] = {1e30f, -1e30f};
  EXPECT_EQ(log_probability(huge, 2, 0), 0);
}

TEST(LogProbability, BackwardIsItsDerivative) {
  auto logits = normal_values(9, 1);
  std::vector<double> gradient(logits.size());
  log_probability_backward(logits.data(), 9, 4, -2.5, gradient.data());
  expect_gradient(logits, gradient, [&] { return -2.5 * log_probability(logits.data(), 9, 4); });
}

}  // namespace
}  // namespace r1
