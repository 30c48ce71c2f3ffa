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

TEST(RmsNormBackward, EveryVariantAgreesWithTheReference) {
  constexpr int64_t kRows = 9;
  for (size_t i = 0; i < std::size(kRmsNormBackward); ++i) {
    if (!supported(kRmsNormBackward[i].isa)) continue;
    SCOPED_TRACE(name(kRmsNormBackward[i].isa));
    for (const int64_t cols : {1, 16, 133}) {
      const auto n = static_cast<size_t>(kRows * cols);
      const auto x = normal_floats(n, 1), dy = normal_floats(n, 2),
                 w = normal_floats(static_cast<size_t>(cols), 3);
      const auto run = [&](RmsNormBackward* backward, RmsNormWeightBackward* of_weight) {
        std::vector<float> dx(n), r(kRows), dw = w;
        backward(x.data(), w.data(), dy.data(), 1e-3f, kRows, cols, dx.data(), r.data());
        for (const auto& [begin, end] : {std::pair{int64_t{0}, cols / 3}, {cols / 3, cols}})
          of_weight(x.data(), dy.data(), r.data(), kRows, cols, begin, end, dw.data());
        return std::pair(dx, dw);
      };
      const auto got = run(kRmsNormBackward[i].run, kRmsNormWeightBackward[i].run),
                 want = run(rms_norm_backward<float>, rms_norm_weight_backward<float>);
      expect_near(got.first, want.first, 1e-5f);
      expect_near(got.second, want.second, 1e-5f);
    }
  }
}

}  // namespace
}  // namespace r1
