#include "train/sft.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "train/setup.h"

namespace r1 {
namespace {

// Micro batches as Learner fills them.
int64_t batches(std::span<const int64_t> lengths, std::span<const size_t> order, int64_t room) {
  int64_t n = 0, left = 0;
  for (const size_t i : order) {
    if (n == 0 || lengths[i] > left) {
      ++n;
      left = room;
    }
    left -= lengths[i];
  }
  return n;
}

TEST(Pack, EverySequenceOnceInFewMicroBatches) {
  const std::vector<int64_t> lengths = {60, 10, 40, 90, 50, 30, 20, 100, 70, 130};
  const std::vector<size_t> order = pack(lengths, 100);
  EXPECT_EQ(std::set<size_t>(order.begin(), order.end()).size(), lengths.size());
  ASSERT_EQ(order.size(), lengths.size());
  // 470 tokens of those that fit at all: 5 full batches, and the long one apart.
  EXPECT_EQ(batches(lengths, order, 100), 6);
  std::vector<size_t> as_given(lengths.size());
  std::iota(as_given.begin(), as_given.end(), size_t{0});
  EXPECT_GT(batches(lengths, as_given, 100), 6);
  EXPECT_TRUE(pack({}, 100).empty());
}

TEST(Patterns, StarsAndQuestionMarks) {
  EXPECT_TRUE(fits("*norm*", "model.layers.0.input_layernorm.weight"));
  EXPECT_TRUE(fits("model.layers.?.mlp.*", "model.layers.3.mlp.up_proj.weight"));
  EXPECT_FALSE(fits("model.layers.?.mlp.*", "model.layers.13.mlp.up_proj.weight"));
  EXPECT_TRUE(fits("*", ""));
  EXPECT_TRUE(fits("a*b*c", "axxbxbxc"));
  EXPECT_FALSE(fits("a*b*c", "axxbxbx"));
  EXPECT_FALSE(fits("norm", "norm.weight"));
  EXPECT_FALSE(fits("", "x"));
}

}  // namespace
}  // namespace r1
