#include "kernels/logits/logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace r1 {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                kInf = std::numeric_limits<float>::infinity();

std::vector<float> row(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(1, 6);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

TEST(BlockMax, EveryVariantFindsTheSameInRowsOfAnyLength) {
  for (const size_t n : {1u, 7u, 8u, 31u, 127u, 128u, 129u, 300u, 1000u}) {
    auto x = row(n, static_cast<uint32_t>(n));
    for (const float last : {x.back(), 100.0f, -kInf, kInf, kNan}) {
      x.back() = last;
      std::vector<float> want(n / kLogitBlock + 1), got(want.size() + 1, 77.0f);
      const bool numbers = block_max_ref(x.data(), static_cast<int64_t>(n), want.data());
      EXPECT_EQ(numbers, !std::isnan(last));
      EXPECT_EQ(
          *std::max_element(want.begin(), want.begin() + static_cast<int64_t>((n + 127) / 128)),
          n == 1 && std::isnan(last)
              ? -kInf
              : *std::max_element(x.begin(), x.end() - (std::isnan(last) ? 1 : 0)));
      for (const auto& variant : kBlockMax) {
        if (!supported(variant.isa)) continue;
        EXPECT_EQ(variant.run(x.data(), static_cast<int64_t>(n), got.data()), numbers);
        for (size_t b = 0; b * kLogitBlock < n; ++b) EXPECT_EQ(got[b], want[b]) << n;
        EXPECT_EQ(got.back(), 77.0f);
      }
    }
  }
}

TEST(SumExp, EveryVariantAgreesWithTheDefinition) {
  for (const auto& variant : kSumExp) {
    if (!supported(variant.isa)) continue;
    for (int64_t n = 1; n <= kLogitBlock; ++n) {
      const auto x = row(static_cast<size_t>(n), static_cast<uint32_t>(n));
      const float greatest = *std::max_element(x.begin(), x.end());
      for (const float scale : {0.01f, 1.0f, 1.6667f, 10000.0f}) {
        for (const float above : {0.0f, 3.0f}) {
          const double want = sum_exp_ref(x.data(), n, greatest + above, scale);
          EXPECT_NEAR(variant.run(x.data(), n, greatest + above, scale), want, 1e-5 * want + 1e-30)
              << name(variant.isa) << ' ' << n << ' ' << scale;
        }
      }
    }
  }
}

TEST(SumExp, WhatIsNoNumberCountsNothingAndInfinitiesAreTheLargest) {
  const std::vector<float> x = {kNan, 2, kNan, -kInf, 2}, largest = {kInf, 3, kInf},
                           least(13, -kInf);
  constexpr float kMost = std::numeric_limits<float>::max();
  for (const auto& variant : kSumExp) {
    if (!supported(variant.isa)) continue;
    EXPECT_NEAR(variant.run(x.data(), 5, 2, 1), 2, 1e-30);
    EXPECT_NEAR(variant.run(largest.data(), 3, kMost, 1), 2, 1e-30);
    EXPECT_NEAR(variant.run(least.data(), 13, -kMost, 1), 13, 1e-30);
    EXPECT_EQ(variant.run(x.data(), 1, 0, 1), 0);
  }
}

}  // namespace
}  // namespace r1
