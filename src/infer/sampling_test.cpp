#include "infer/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>

namespace r1 {
namespace {

std::vector<float> random_logits(size_t n, uint32_t seed, float spread = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> logits(n);
  for (float& x : logits) x = normal(random);
  return logits;
}

SamplingParams plain() {
  SamplingParams p;
  p.temperature = 1;
  p.top_p = 1;
  return p;
}

// The definition, by sorting everything: probability of each id, 0 for those left out.
std::vector<double> exact(const std::vector<float>& logits, const SamplingParams& p) {
  std::vector<size_t> order(logits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  std::vector<double> weight(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    weight[i] = std::exp((static_cast<double>(logits[i]) - logits[order[0]]) /
                         static_cast<double>(p.temperature));
  }
  if (p.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(p.top_k)));
  double total = 0, sum = 0;
  for (const size_t i : order) total += weight[i];
  if (p.top_p < 1) {
    size_t n = 0;
    while (n < order.size() && sum < static_cast<double>(p.top_p) * total)
      sum += weight[order[n++]];
    order.resize(n);
  }
  std::erase_if(order, [&](size_t i) { return weight[i] < static_cast<double>(p.min_p); });
  total = 0;
  for (const size_t i : order) total += weight[i];
  std::vector<double> probability(logits.size());
  for (const size_t i : order) probability[i] = weight[i] / total;
  return probability;
}

TEST(Sampling, DrawsFollowTheExactProbabilities) {
  const auto isas = supported_isas();
  const auto few = random_logits(40, 1, 1.5f), many = random_logits(300, 2, 1.0f);
  std::vector<SamplingParams> settings(8, plain());
  settings[1].temperature = 0.6f;
  settings[2].top_k = 7;
  settings[3].top_p = 0.8f;
  settings[4].min_p = 0.1f;
  settings[5].temperature = 1.7f;
  settings[5].top_k = 20;
  settings[5].top_p = 0.9f;
  settings[5].min_p = 0.05f;
  settings[6] = {};
  for (size_t s = 0; s < settings.size(); ++s) {
    SamplingParams p = settings[s];
    p.seed = 1234 + s;
    const auto& logits = s == 7 ? many : few;
    const Isa isa = isas[s % isas.size()];
    const auto probability = exact(logits, p);
    constexpr int kDraws = 60000;
    std::vector<int> counts(logits.size());
    for (int i = 0; i < kDraws; ++i)
      ++counts[static_cast<size_t>(sample(logits, p, {}, {}, i, -1, isa).id)];
    double chi2 = 0;
    int freedom = -1;
    for (size_t i = 0; i < logits.size(); ++i) {
      const double expected = probability[i] * kDraws;
      if (expected == 0) {
        EXPECT_EQ(counts[i], 0) << "setting " << s << ", id " << i << " was left out";
      } else {
        chi2 += (counts[i] - expected) * (counts[i] - expected) / expected;
        ++freedom;
      }
    }
    // Six standard deviations above the mean of a chi-square.
    EXPECT_LT(chi2, freedom + 6 * std::sqrt(2.0 * std::max(freedom, 1)) + 6) << "setting " << s;
  }
}

// A large vocabulary with many ties: what is selected equals the definition by sorting.
TEST(Sampling, SelectionEqualsSorting) {
  std::mt19937 random(3);
  for (int turn = 0; turn < 40; ++turn) {
    auto logits = random_logits(5000, static_cast<uint32_t>(turn), turn % 2 ? 4.0f : 0.5f);
    for (float& x : logits) x = std::round(x * 4) / 4;
    SamplingParams p = plain();
    p.top_k = turn % 3 == 0 ? 1 + static_cast<int32_t>(random() % 3000) : 0;
    p.top_p = 0.05f + 0.9f * static_cast<float>(random() % 1000) / 1000;
    p.min_p = turn % 5 == 0 ? 0.02f : 0;
    p.seed = random();
    const auto probability = exact(logits, p);
    std::map<int32_t, int> drawn;
    const Isa isa = supported_isas()[static_cast<size_t>(turn) % supported_isas().size()];
    for (int i = 0; i < 100; ++i) ++drawn[sample(logits, p, {}, {}, i, -1, isa).id];
    for (const auto& [id, n] : drawn)
      EXPECT_GT(probability[static_cast<size_t>(id)], 0) << "turn " << turn;
  }
}

TEST(Sampling, EveryInstructionSetNamesTheSameMostLikely) {
  const auto logits = random_logits(1000, 8);
  SamplingParams greedy = plain();
  greedy.temperature = 0;
  const Sampled want = sample(logits, greedy, {}, {}, 0, 200);
  EXPECT_EQ(want.id, std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (const Isa isa : supported_isas()) {
    const Sampled got = sample(logits, greedy, {}, {}, 0, 200, isa);
    EXPECT_EQ(got.id, want.id);
    EXPECT_NEAR(got.logprob, want.logprob, 1e-5);
    ASSERT_EQ(got.top.size(), 200u);
    for (size_t i = 0; i < 200; ++i) EXPECT_EQ(got.top[i].id, want.top[i].id);
  }
}

TEST(Sampling, OneDrawDependsOnSeedAndPositionAlone) {
  const auto logits = random_logits(1000, 5);
  SamplingParams p = plain();
  p.seed = 42;
  const int32_t once = sample(logits, p, {}, {}, 17).id;
  for (int i = 0; i < 10; ++i) sample(logits, p, {}, {}, i);
  EXPECT_EQ(sample(logits, p, {}, {}, 17).id, once);
  int same_position = 0, same_seed = 0;
  for (int i = 0; i < 50; ++i) {
    same_position += sample(logits, p, {}, {}, 100 + i).id == once;
    SamplingParams other = p;
    other.seed = 1000 + static_cast<uint64_t>(i);
    same_seed += sample(logits, other, {}, {}, 17).id == once;
  }
  EXPECT_LT(same_position, 25);
  EXPECT_LT(same_seed, 25);
}

TEST(Sampling, GreedyTakesTheLowestIdOfATie) {
  SamplingParams p = plain();
  p.temperature = 0;
  EXPECT_EQ(sample(std::vector<float>{1, 5, 5, 2}, p, {}, {}, 0).id, 1);
}

TEST(Sampling, PenaltiesAndBiasAreTheFieldsOwn) {
  const std::vector<float> logits = {2, -1, 4, 3.5f};
  SamplingParams p = plain();
  p.temperature = 0;
  const auto best = [&](std::vector<int32_t> prompt, std::vector<int32_t> generated) {
    return sample(logits, p, prompt, generated, 0).id;
  };
  p.repetition_penalty = 1.5f;  // 4 / 1.5 < 3.5
  EXPECT_EQ(best({2}, {}), 3);
  p.penalty_last_n = 1;
  EXPECT_EQ(best({2, 0}, {}), 2) << "out of reach of the penalty";
  EXPECT_EQ(best({}, {2}), 3);
  p.penalty_last_n = -1;
  EXPECT_EQ(best({2, 0, 0, 0}, {}), 3);

  p = plain();
  p.temperature = 0;
  p.presence_penalty = 0.75f;  // once, however often it occurs, and only if generated
  EXPECT_EQ(best({2}, {}), 2);
  EXPECT_EQ(best({}, {2}), 3);
  EXPECT_EQ(best({}, {2, 2, 2, 3}), 2);
  p.presence_penalty = 0;
  p.frequency_penalty = 0.3f;
  EXPECT_EQ(best({}, {2}), 2);
  EXPECT_EQ(best({}, {2, 2}), 3);

  p = plain();
  p.temperature = 0;
  p.logit_bias = {{1, 10.0f}, {400, 5.0f}};
  EXPECT_EQ(best({}, {}), 1);
}

TEST(Sampling, LogprobsAreOfTheModelsOwnDistribution) {
  const std::vector<float> logits = {1, 2, 3, 2};
  SamplingParams p = plain();
  p.temperature = 0;
  p.logit_bias = {{0, 50.0f}};
  const Sampled s = sample(logits, p, {}, {}, 0, 3);
  EXPECT_EQ(s.id, 0);
  const double log_sum = std::log(std::exp(1.0) + 2 * std::exp(2.0) + std::exp(3.0));
  EXPECT_NEAR(s.logprob, 1 - log_sum, 1e-6);
  ASSERT_EQ(s.top.size(), 3u);
  EXPECT_EQ(s.top[0].id, 2);
  EXPECT_EQ(s.top[1].id, 1) << "ties to the lower id";
  EXPECT_EQ(s.top[2].id, 3);
  EXPECT_NEAR(s.top[0].logprob, 3 - log_sum, 1e-6);
  EXPECT_EQ(sample(logits, p, {}, {}, 0, 100).top.size(), 4u);
}

TEST(Sampling, WhatIsNoNumberIsNeverDrawn) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  SamplingParams p = plain();
  for (const Isa isa : supported_isas()) {
    for (int i = 0; i < 50; ++i) {
      const Sampled s = sample(std::vector<float>{kNan, 1, kNan, -kInf}, p, {}, {}, i, -1, isa);
      EXPECT_EQ(s.id, 1);
      EXPECT_FALSE(s.numbers);
    }
    EXPECT_TRUE(sample(std::vector<float>{1, -kInf}, p, {}, {}, 0, -1, isa).numbers);
  }
  EXPECT_EQ(sample(std::vector<float>{0, kInf, 3}, p, {}, {}, 0).id, 1);
  EXPECT_NEAR(sample(std::vector<float>{-kInf, -kInf}, p, {}, {}, 0, 1).logprob, std::log(0.5),
              1e-6);
  const Sampled s = sample(std::vector<float>{kNan, kNan}, p, {}, {}, 0, 1);
  EXPECT_EQ(s.id, 0) << "nothing to choose from is a defined choice";
  EXPECT_FALSE(std::isfinite(s.logprob));
}

TEST(Sampling, CheckNamesParameterValueAndRange) {
  SamplingParams p;
  EXPECT_TRUE(p.check());
  p.top_p = 0;
  EXPECT_EQ(p.check().error().message, "top_p is 0: it must be above 0 and at most 1");
  p = {};
  p.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(p.check());
  p.temperature = -1;
  EXPECT_EQ(p.check().error().message, "temperature is -1: it must be from 0 to 100");
  p = {};
  p.repetition_penalty = 0;
  EXPECT_FALSE(p.check());
  p = {};
  p.logit_bias = {{-3, 1.0f}};
  EXPECT_FALSE(p.check());
}

}  // namespace
}  // namespace r1
