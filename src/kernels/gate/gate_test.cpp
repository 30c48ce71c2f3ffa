#include "kernels/gate/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace r1 {
namespace {

struct Choice {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};

Choice choose(const Gate& g, const std::vector<float>& logits,
              const std::vector<float>& bias = {}) {
  Choice c{std::vector<int32_t>(static_cast<size_t>(g.n_used)),
           std::vector<float>(static_cast<size_t>(g.n_used))};
  gate(g, logits.data(), bias.empty() ? nullptr : bias.data(), c.experts.data(), c.weights.data());
  return c;
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

TEST(Gate, SoftmaxTakesTheLargestAndKeepsTheirProbabilities) {
  const Choice c = choose({.n_experts = 4, .n_used = 2}, {0, std::log(4.0f), 0, std::log(2.0f)});
  EXPECT_EQ(c.experts, (std::vector<int32_t>{1, 3}));
  EXPECT_NEAR(c.weights[0], 0.5f, 1e-6f);
  EXPECT_NEAR(c.weights[1], 0.25f, 1e-6f);
}

TEST(Gate, TheBiasChoosesButDoesNotWeigh) {
  const Gate g{.n_experts = 4, .n_used = 2, .sigmoid = true, .norm = true, .scale = 2.5f};
  const Choice c = choose(g, {2, 1, 0, -3}, {0, 0, 0, 1});
  EXPECT_EQ(c.experts, (std::vector<int32_t>{0, 3}));
  const float sum = sigmoid(2) + sigmoid(-3);
  EXPECT_NEAR(c.weights[0], 2.5f * sigmoid(2) / sum, 1e-6f);
  EXPECT_NEAR(c.weights[1], 2.5f * sigmoid(-3) / sum, 1e-6f);
}

TEST(Gate, GroupsAreJudgedByTheirBestOrByTheirBestTwo) {
  // The best expert stands in the first group, the best pair in the second.
  const std::vector<float> logits = {3, -9, -9, 2, 2, 1.9f, -9, -9};
  Gate g{.n_experts = 8, .n_used = 1, .n_groups = 4, .sigmoid = true};
  EXPECT_EQ(choose(g, logits).experts, std::vector<int32_t>{0});
  g.top_two = true;
  EXPECT_EQ(choose(g, logits).experts, std::vector<int32_t>{4});
  g.n_groups_used = 2;
  g.n_used = 2;
  EXPECT_EQ(choose(g, logits).experts, (std::vector<int32_t>{0, 4}));
}

TEST(Gate, EqualScoresGoToTheLowerId) {
  EXPECT_EQ(choose({.n_experts = 6, .n_used = 3}, std::vector<float>(6, 1)).experts,
            (std::vector<int32_t>{0, 1, 2}));
}

TEST(Gate, WhateverTheLogitsAreTheExpertsAreDifferentIds) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Gate g{.n_experts = 8,
               .n_used = 3,
               .n_groups = 4,
               .n_groups_used = 2,
               .sigmoid = true,
               .top_two = true};
  const Choice c = choose(g, std::vector<float>(8, nan));
  EXPECT_EQ(c.experts, (std::vector<int32_t>{0, 1, 2}));
}

}  // namespace
}  // namespace r1
