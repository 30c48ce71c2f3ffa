#include "kernels/norm/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace r1 {
namespace {

std::vector<float> normals(size_t n, uint64_t stream) {
  std::vector<float> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<float>(normal(1, stream, i));
  return x;
}

TEST(RmsNorm, TheDefinitionIsThePapersFormula) {
  const float x[] = {3, -4}, w[] = {1, 2};
  float y[2];
  rms_norm_ref(x, w, 0.0f, 1, 2, y);
  EXPECT_NEAR(y[0], 3 / std::sqrt(12.5), 1e-6);
  EXPECT_NEAR(y[1], -8 / std::sqrt(12.5), 1e-6);
}

TEST(RmsNorm, EveryVariantAgreesAndARowDoesNotDependOnTheOthers) {
  for (const auto& variant : kRmsNorm) {
    if (!supported(variant.isa)) continue;
    for (const int64_t cols : {1, 7, 8, 33, 64, 96, 100, 576, 1531}) {
      const auto x = normals(static_cast<size_t>(3 * cols), 1),
                 w = normals(static_cast<size_t>(cols), 2);
      std::vector<float> want(x.size()), got(x.size()), alone(w.size());
      rms_norm_ref(x.data(), w.data(), 1e-6f, 3, cols, want.data());
      variant.run(x.data(), w.data(), 1e-6f, 3, cols, got.data());
      for (size_t i = 0; i < x.size(); ++i)
        EXPECT_NEAR(got[i], want[i], 1e-5f * std::fabs(want[i]));
      variant.run(x.data() + 2 * cols, w.data(), 1e-6f, 1, cols, alone.data());
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), got.begin() + 2 * cols))
          << name(variant.isa);
    }
  }
}

}  // namespace
}  // namespace r1
