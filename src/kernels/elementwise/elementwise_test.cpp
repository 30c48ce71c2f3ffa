#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <vector>

namespace r1 {
namespace {

TEST(Elementwise, EveryVariantAddsEveryElement) {
  for (const auto& variant : kAdd) {
    if (!supported(variant.isa)) continue;
    for (const size_t n : {size_t{0}, size_t{1}, size_t{8}, size_t{29}}) {
      std::vector<float> a(n + 1), b(n + 1, 0.5f), y(n + 1, -1.0f);
      for (size_t i = 0; i < n; ++i) a[i] = static_cast<float>(i) * 1.25f;
      variant.run(a.data(), b.data(), static_cast<int64_t>(n), y.data());
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], a[i] + b[i]) << name(variant.isa);
      EXPECT_EQ(y[n], -1.0f);
    }
  }
}

TEST(Elementwise, AddScaledRoundsTwice) {
  for (const auto& variant : kAddScaled) {
    if (!supported(variant.isa)) continue;
    for (const size_t n : {size_t{0}, size_t{1}, size_t{8}, size_t{29}}) {
      std::vector<float> x(n + 1), y(n + 1, -1.0f), want = y;
      for (size_t i = 0; i < n; ++i) {
        x[i] = 1.0f / static_cast<float>(i + 3);
        y[i] = want[i] = static_cast<float>(i) * 1.1f;
        const float product = 0.3f * x[i];
        want[i] += product;
      }
      variant.run(0.3f, x.data(), static_cast<int64_t>(n), y.data());
      EXPECT_EQ(y, want) << name(variant.isa);
    }
  }
}

}  // namespace
}  // namespace r1
