#include "base/rng.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10 rounds).
TEST(Philox, GivesTheKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, DrawsAreUniformAndNormal) {
  double sum = 0, sum_normal = 0, sum_square = 0;
  constexpr int kDraws = 20000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const double u = uniform(7, 1, i);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    const double z = normal(7, 2, i);
    sum += u;
    sum_normal += z;
    sum_square += z * z;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.01);
  EXPECT_NEAR(sum_normal / kDraws, 0, 0.03);
  EXPECT_NEAR(sum_square / kDraws, 1, 0.05);
}

}  // namespace
}  // namespace r1
