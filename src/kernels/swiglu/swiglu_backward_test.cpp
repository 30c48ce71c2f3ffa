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

TEST(SwiGluBackward, EveryVariantAgreesWithTheReference) {
  for (const auto& variant : kSwigluBackward) {
    if (!supported(variant.isa)) continue;
    SCOPED_TRACE(name(variant.isa));
    for (const size_t n : {1u, 16u, 77u}) {
      const auto gate = normal_floats(n, 1), up = normal_floats(n, 2), dy = normal_floats(n, 3);
      const auto run = [&](SwigluBackward* backward) {
        std::vector<float> dgate = dy, dup(n);  // dgate over dy
        backward(gate.data(), up.data(), dgate.data(), static_cast<int64_t>(n), dgate.data(),
                 dup.data());
        return std::pair(dgate, dup);
      };
      const auto got = run(variant.run), want = run(swiglu_backward<float>);
      expect_near(got.first, want.first, 1e-6f);
      expect_near(got.second, want.second, 1e-6f);
    }
  }
}

}  // namespace
}  // namespace r1
