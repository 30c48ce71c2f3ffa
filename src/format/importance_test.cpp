#include "format/importance.h"

#include <gtest/gtest.h>

#include <vector>

namespace r1 {
namespace {

TEST(Importance, NormsFeedTheirMatrices) {
  EXPECT_EQ(input_norm("blk.12.attn_k.weight", false), "blk.12.attn_norm.weight");
  EXPECT_EQ(input_norm("blk.3.ffn_up_exps.weight", false), "blk.3.ffn_norm.weight");
  EXPECT_EQ(input_norm("blk.3.attn_q_b.weight", false), "blk.3.attn_q_a_norm.weight");
  EXPECT_EQ(input_norm("output.weight", false), "output_norm.weight");
  EXPECT_EQ(input_norm("token_embd.weight", true), "output_norm.weight");
  for (const char* none : {"token_embd.weight", "blk.3.ffn_down.weight", "blk.3.attn_q.bias",
                           "blk.3.attn_output.weight", "blk.", "blk.weight", "blk.0.weight"}) {
    EXPECT_EQ(input_norm(none, false), "") << none;
  }
}

TEST(Importance, LargeWeightsAndColumnsCountMore) {
  std::vector<float> values(2 * 32, 1), norm(32, 1), importance(64);
  values[5] = 3;
  norm[7] = 2;
  weigh(values, norm, 32, importance.data());
  EXPECT_GT(importance[5], 1.5f * importance[4]);
  EXPECT_EQ(importance[7], 4 * importance[4]);
  EXPECT_EQ(importance[32 + 7], 8);
  EXPECT_EQ(importance[32 + 5], 2);
}

}  // namespace
}  // namespace r1
