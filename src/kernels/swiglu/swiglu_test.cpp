#include "kernels/swiglu/swiglu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace r1 {
namespace {

TEST(SwiGlu, EveryVariantAgreesFromTheFlatEndToTheSteepOne) {
  std::vector<float> gate, up, y;
  for (float x = -80; x < 90; x += 0.0625f) gate.push_back(x);
  up.assign(gate.size(), 1.5f);
  y.resize(gate.size());
  for (const auto& variant : kSwiGlu) {
    if (!supported(variant.isa)) continue;
    variant.run(gate.data(), up.data(), static_cast<int64_t>(y.size()), y.data());
    for (size_t i = 0; i < y.size(); ++i) {
      const double want = 1.5 * gate[i] / (1 + std::exp(-static_cast<double>(gate[i])));
      EXPECT_NEAR(y[i], want, 1e-6 * std::fabs(want)) << name(variant.isa) << " at " << gate[i];
    }
  }
}

TEST(SwiGlu, AnElementIsTheSameWhereverItLies) {
  for (const auto& variant : kSwiGlu) {
    if (!supported(variant.isa)) continue;
    for (int64_t n = 1; n < 20; ++n) {
      std::vector<float> gate(static_cast<size_t>(n), 0.73f), up(gate.size(), -2.1f),
          y(gate.size() + 1, 7.0f);
      variant.run(gate.data(), up.data(), n, y.data());
      for (size_t i = 1; i < gate.size(); ++i)
        EXPECT_EQ(y[i], y[0]) << name(variant.isa) << ' ' << n;
      EXPECT_EQ(y.back(), 7.0f);
    }
  }
}

}  // namespace
}  // namespace r1
