#include "grade/score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace r1 {
namespace {

Graded answer(bool right, std::string vote) {
  return {.right = right, .vote = std::move(vote), .tokens = 10, .capped = false};
}

TEST(Score, PassAtKIsUnbiased) {
  EXPECT_DOUBLE_EQ(pass_at_k(16, 4, 1), 0.25);
  EXPECT_DOUBLE_EQ(pass_at_k(4, 2, 2), 1 - 1.0 / 6);  // C(2,2) / C(4,2)
  EXPECT_DOUBLE_EQ(pass_at_k(8, 1, 8), 1);
  EXPECT_DOUBLE_EQ(pass_at_k(8, 0, 8), 0);
  EXPECT_DOUBLE_EQ(pass_at_k(5, 3, 3), 1);  // only two are wrong
}

TEST(Score, OfTwoProblems) {
  const std::vector<Graded> answers = {
      answer(true, "40"), answer(true, "40"), answer(false, "39"), answer(false, ""),
      answer(true, "12"), answer(false, "7"), answer(false, "7"),  answer(false, "8"),
  };
  const Score s = score(answers, 4);
  EXPECT_EQ(s.problems, 2);
  EXPECT_EQ(s.samples, 4);
  ASSERT_EQ(s.pass.size(), 3u);
  EXPECT_EQ(s.pass[1].k, 2);
  EXPECT_DOUBLE_EQ(s.pass_1().value, 3.0 / 8);
  EXPECT_DOUBLE_EQ(s.pass_n().value, 1);
  EXPECT_DOUBLE_EQ(s.cons_n.value, 0.5);
  EXPECT_DOUBLE_EQ(s.unanswered, 1.0 / 8);
  EXPECT_DOUBLE_EQ(s.mean_tokens, 10);
}

TEST(Score, ATieCountsByItsShare) {
  const std::vector<Graded> answers = {answer(true, "1"), answer(false, "2"), answer(false, "3")};
  EXPECT_DOUBLE_EQ(score(answers, 3).cons_n.value, 1.0 / 3);
  const std::vector<Graded> silent = {answer(false, ""), answer(false, "")};
  EXPECT_DOUBLE_EQ(score(silent, 2).cons_n.value, 0);
}

TEST(Score, OneSampleEach) {
  const std::vector<Graded> answers = {answer(true, "1"), answer(false, "2")};
  const Score s = score(answers, 1);
  ASSERT_EQ(s.pass.size(), 1u);
  EXPECT_DOUBLE_EQ(s.cons_n.value, s.pass_1().value);
}

TEST(Score, ExactBoundsWhereTheBootstrapHasNone) {
  const std::vector<Graded> right(50, answer(true, "1"));
  const Score all = score(right, 1);
  EXPECT_EQ(all.pass_1().high, 1);
  EXPECT_NEAR(all.pass_1().low, 0.9289, 1e-4);  // Clopper and Pearson for 50 of 50
  const std::vector<Graded> wrong(50, answer(false, "1"));
  EXPECT_NEAR(score(wrong, 1).pass_1().high, 1 - 0.9289, 1e-4);
}

// pass@1 must not depend on how many samples it is estimated from (lighteval#771), and its interval
// must hold the truth about as often as it says: 95 % of the time.
TEST(Score, IntervalsCoverAndDoNotDependOnSamples) {
  constexpr int kTrials = 60, kProblems = 80;
  for (const int64_t samples : {1, 4}) {
    int covered = 0;
    double mean = 0;
    for (uint64_t trial = 0; trial < kTrials; ++trial) {
      std::vector<Graded> answers;
      for (uint64_t p = 0; p < kProblems; ++p) {
        const double chance = uniform(7, trial, 1000 * p);  // of this problem; 0.5 over all
        for (int64_t i = 0; i < samples; ++i) {
          const bool right = uniform(7, trial, 1000 * p + 1 + static_cast<uint64_t>(i)) < chance;
          answers.push_back(answer(right, right ? "1" : "2"));
        }
      }
      const Score s = score(answers, samples);
      covered += s.pass_1().low <= 0.5 && 0.5 <= s.pass_1().high;
      mean += s.pass_1().value / kTrials;
    }
    EXPECT_NEAR(mean, 0.5, 0.02) << samples;
    EXPECT_GE(covered, kTrials * 85 / 100) << samples;
  }
}

}  // namespace
}  // namespace r1
