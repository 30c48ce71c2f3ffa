#include "train/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace r1 {
namespace {

// The algorithm in double precision, as printed.
void printed(const AdamW& s, int step, double g, double& w, double& m, double& v) {
  w -= s.lr * s.weight_decay * w;
  m = s.beta1 * m + (1 - s.beta1) * g;
  v = s.beta2 * v + (1 - s.beta2) * g * g;
  w -= s.lr * (m / (1 - std::pow(s.beta1, step))) /
       (std::sqrt(v / (1 - std::pow(s.beta2, step))) + s.eps);
}

TEST(AdamW, FollowsThePrintedAlgorithm) {
  const AdamW settings{.lr = 0.01};
  std::vector<float> w(37), m(37), v(37), g(37);
  std::vector<double> want(37), wm(37), wv(37);
  for (size_t i = 0; i < w.size(); ++i) want[i] = w[i] = static_cast<float>(normal(1, 1, i));
  for (int step = 1; step <= 20; ++step) {
    for (size_t i = 0; i < g.size(); ++i) {
      g[i] = static_cast<float>(normal(1, 2, 100 * static_cast<uint64_t>(step) + i));
      printed(settings, step, 0.5 * double{g[i]}, want[i], wm[i], wv[i]);
    }
    // Any split of the tensor gives the same bits: here two pieces.
    const size_t cut = static_cast<size_t>(step);
    const auto piece = [&](size_t from, size_t n) {
      adamw_step(settings, step, 0.5f, std::span(w).subspan(from, n), std::span(g).subspan(from, n),
                 std::span(m).subspan(from, n), std::span(v).subspan(from, n));
    };
    piece(0, cut);
    piece(cut, g.size() - cut);
  }
  for (size_t i = 0; i < w.size(); ++i) EXPECT_NEAR(w[i], want[i], 2e-6);
}

TEST(AdamW, ClippingKeepsSmallGradientsAndShrinksLargeOnes) {
  EXPECT_EQ(squared_norm(std::vector<float>{3, 4}), 25);
  EXPECT_EQ(clip_scale(0.5, 1), 1);
  EXPECT_NEAR(clip_scale(5, 1), 0.2, 1e-6);
}

TEST(Schedule, WarmsUpAndFallsToItsFloor) {
  const Schedule cosine{.decay = Decay::kCosine, .warmup = 10, .total = 110, .floor = 0.1};
  EXPECT_DOUBLE_EQ(cosine.factor(1), 0.1);
  EXPECT_DOUBLE_EQ(cosine.factor(10), 1);
  EXPECT_NEAR(cosine.factor(60), 0.55, 1e-12);
  EXPECT_DOUBLE_EQ(cosine.factor(110), 0.1);
  EXPECT_DOUBLE_EQ(cosine.factor(5000), 0.1);
  const Schedule linear{.decay = Decay::kLinear, .total = 4};
  EXPECT_DOUBLE_EQ(linear.factor(1), 0.75);
  EXPECT_DOUBLE_EQ(Schedule{}.factor(1), 1);
}

}  // namespace
}  // namespace r1
