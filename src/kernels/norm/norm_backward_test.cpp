#include "kernels/norm/norm_backward.h"

#include "tests/support/finite_difference.h"

namespace r1 {
namespace {

TEST(RmsNormBackward, IsTheDerivativeOfTheFormula) {
  constexpr int64_t kRows = 3, kCols = 7;
  constexpr double kEps = 1e-3;
  auto x = normal_values(kRows * kCols, 1), w = normal_values(kCols, 2);
  const auto dy = normal_values(kRows * kCols, 3);
  const auto f = [&] {
    std::vector<double> y(x.size());
    for (size_t i = 0; i < kRows; ++i) {
      double squares = 0;
      for (size_t j = 0; j < kCols; ++j) squares += x[i * kCols + j] * x[i * kCols + j];
      for (size_t j = 0; j < kCols; ++j)
        y[i * kCols + j] = x[i * kCols + j] * w[j] / std::sqrt(squares / kCols + kEps);
    }
    return weighted_sum(y, dy);
  };
  std::vector<double> dx(x.size()), r(kRows), dw(kCols);
  rms_norm_backward(x.data(), w.data(), dy.data(), kEps, kRows, kCols, dx.data(), r.data());
  rms_norm_weight_backward(x.data(), dy.data(), r.data(), kRows, kCols, 0, 3, dw.data());
  rms_norm_weight_backward(x.data(), dy.data(), r.data(), kRows, kCols, 3, kCols, dw.data());
  expect_gradient(x, dx, f);
  expect_gradient(w, dw, f);
}

}  // namespace
}  // namespace r1
