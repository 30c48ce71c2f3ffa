// Gradients by central differences in double precision: what a backward function must agree with;
// and its variants with their definition.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/rng.h"

namespace r1 {

inline std::vector<double> normal_values(size_t n, uint64_t stream) {
  std::vector<double> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = normal(1, stream, i);
  return x;
}

// `gradient` is d f / d x at x, where f reads x.
inline void expect_gradient(std::vector<double>& x, const std::vector<double>& gradient,
                            const std::function<double()>& f) {
  constexpr double kStep = 1e-5;
  ASSERT_EQ(x.size(), gradient.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + kStep;
    const double above = f();
    x[i] = at - kStep;
    const double below = f();
    x[i] = at;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-7 * (1 + std::fabs(gradient[i])))
        << i;
  }
}

inline std::vector<float> normal_floats(size_t n, uint64_t stream) {
  const auto x = normal_values(n, stream);
  return {x.begin(), x.end()};
}

// Of a variant and its definition: |a - b| <= tolerance max |b|.
inline void expect_near(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
  float most = 0;
  for (const float x : b) most = std::fmax(most, std::fabs(x));
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < b.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance * most) << i;
}

inline double weighted_sum(const std::vector<double>& y, const std::vector<double>& weights) {
  double sum = 0;
  for (size_t i = 0; i < y.size(); ++i) sum += y[i] * weights[i];
  return sum;
}

}  // namespace r1
