#include "kernels/rope/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace r1 {
namespace {

struct Case {
  std::vector<float> x, cos, sin;
  Case(int64_t n_heads, int64_t head_dim, int64_t n_pairs) {
    for (int64_t i = 0; i < n_heads * head_dim; ++i) {
      x.push_back(static_cast<float>(normal(3, 0, static_cast<uint64_t>(i))));
    }
    for (int64_t i = 0; i < n_pairs; ++i) {
      cos.push_back(std::cos(static_cast<float>(i + 1)));
      sin.push_back(std::sin(static_cast<float>(i + 1)));
    }
  }
};

TEST(Rope, RotatesThePairsOfItsLayoutAndCopiesTheRest) {
  const float x[] = {1, 2, 3, 4, 5}, cos[] = {0, 0.5f}, sin[] = {1, 0};
  float y[5];
  rope_ref(x, cos, sin, RopeLayout::kAdjacent, 1, 5, 2, y);
  EXPECT_EQ(std::vector<float>(y, y + 5), (std::vector<float>{-2, 1, 1.5f, 2, 5}));
  rope_ref(x, cos, sin, RopeLayout::kHalves, 1, 5, 2, y);
  EXPECT_EQ(std::vector<float>(y, y + 5), (std::vector<float>{-3, 1, 1, 2, 5}));
}

TEST(Rope, EveryVariantGivesTheSameBits) {
  for (const auto& variant : kRope) {
    if (!supported(variant.isa)) continue;
    for (const auto layout : {RopeLayout::kAdjacent, RopeLayout::kHalves}) {
      for (const auto& [head_dim, n_pairs] :
           {std::pair{64, 32}, {128, 64}, {8, 4}, {96, 24}, {50, 19}}) {
        const Case c(3, head_dim, n_pairs);
        std::vector<float> want(c.x.size()), got(c.x.size());
        rope_ref(c.x.data(), c.cos.data(), c.sin.data(), layout, 3, head_dim, n_pairs, want.data());
        variant.run(c.x.data(), c.cos.data(), c.sin.data(), layout, 3, head_dim, n_pairs,
                    got.data());
        EXPECT_EQ(got, want) << name(variant.isa) << ' ' << head_dim;
      }
    }
  }
}

}  // namespace
}  // namespace r1
