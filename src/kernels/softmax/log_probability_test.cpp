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

TEST(LogProbability, EveryVariantAgreesWithTheReference) {
  for (size_t i = 0; i < std::size(kLogProbability); ++i) {
    if (!supported(kLogProbability[i].isa)) continue;
    SCOPED_TRACE(name(kLogProbability[i].isa));
    LogProbability* value = kLogProbability[i].run;
    LogProbabilityBackward* backward = kLogProbabilityBackward[i].run;
    for (const size_t n : {1u, 16u, 105u, 3001u}) {
      const auto logits = normal_floats(n, 1);
      const auto vocab = static_cast<int64_t>(n);
      const auto token = static_cast<int32_t>(n / 2);
      EXPECT_NEAR(value(logits.data(), vocab, token), log_probability(logits.data(), vocab, token),
                  1e-6 * std::log(n + 2));
      auto got = logits, want = logits;  // in place
      backward(got.data(), vocab, token, -2.5f, got.data());
      log_probability_backward(want.data(), vocab, token, -2.5f, want.data());
      for (size_t j = 0; j < n; ++j) EXPECT_NEAR(got[j], want[j], 2.5e-6f);
    }
    const float huge[] = {1e30f, -1e30f};
    EXPECT_EQ(value(huge, 2, 0), 0);
    const float wrong[] = {0, std::numeric_limits<float>::quiet_NaN(), 1};
    EXPECT_TRUE(std::isnan(value(wrong, 3, 0)));
  }
}

}  // namespace
}  // namespace r1
