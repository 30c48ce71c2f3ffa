#include "infer/draft_planner.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

// A machine whose steps take fixed + n * row seconds, and sequences whose guesses hold with given
// odds: how fast they go with the planner, beside one token a step.
struct World {
  double fixed = 1, row = 0.1, propose = 0;
  double odds = 0;
  int64_t sequences = 1, longest = kLongestDraft;
  bool computed = false;  // ids are known only after propose()
  double noise = 0.1;
};

double speedup(const World& w, int64_t steps) {
  DraftPlanner planner;
  double seconds = 0;
  int64_t tokens = 0;
  uint64_t counter = 0;
  const auto random = [&] { return uniform(1, 2, ++counter); };
  for (int64_t step = 0; step < steps; ++step) {
    std::vector<Draft> drafts(static_cast<size_t>(w.sequences));
    for (size_t i = 0; i < drafts.size(); ++i) {
      drafts[i].number = i;
      drafts[i].most = w.longest;
      drafts[i].grade = 4;
      if (!w.computed) drafts[i].ids.assign(static_cast<size_t>(w.longest), 1);
    }
    planner.plan(drafts, w.sequences, 512);
    int64_t rows = w.sequences, ids = 0;
    for (Draft& d : drafts) {
      EXPECT_LE(d.most, w.longest);
      if (w.computed) d.ids.assign(static_cast<size_t>(d.most), 1);
      rows += d.most, ids += d.most;
    }
    planner.proposed(ids, w.propose * static_cast<double>(ids));
    const double took =
        (w.fixed + w.row * static_cast<double>(rows)) * (1 + w.noise * (random() - 0.5));
    seconds += took + w.propose * static_cast<double>(ids);
    for (const Draft& d : drafts) {
      std::vector<int32_t> said;
      while (std::ssize(said) <= d.most) {
        const bool holds = random() < w.odds;
        said.push_back(holds ? 1 : 0);
        if (!holds) break;
      }
      planner.learn(d, 0, said);
      tokens += std::ssize(said);
    }
    planner.took(rows, took);
  }
  const auto n = static_cast<double>(w.sequences);
  return static_cast<double>(tokens) * (w.fixed + w.row * n) / n / seconds;
}

TEST(DraftPlanner, GuessesWhereItPays) {
  EXPECT_GT(speedup({.odds = 0.97}, 200), 5);
  EXPECT_GT(speedup({.odds = 0.8}, 200), 2.2);
  EXPECT_GT(speedup({.odds = 0.5}, 200), 1.35);
  EXPECT_GT(speedup({.row = 0.02, .odds = 0.97}, 200), 9);
  EXPECT_GT(speedup({.row = 0.05, .propose = 0.1, .odds = 0.8, .computed = true}, 300), 1.7);
  EXPECT_GT(speedup({.row = 0.05, .odds = 0.85, .longest = 1, .computed = true}, 300), 1.6);
  EXPECT_GT(speedup({.row = 0.03, .odds = 0.9, .sequences = 8}, 200), 1.9);
}

TEST(DraftPlanner, NeverCostsWhatItDoesNotGain) {
  for (const double odds : {0.0, 0.02, 0.05, 0.1, 0.2, 0.3}) {
    for (const double row : {0.01, 0.1, 0.3, 1.0, 10.0}) {
      for (const int64_t sequences : {1, 8, 64}) {
        for (const double propose : {0.0, 0.1, 0.6}) {
          const World w{.row = row,
                        .propose = propose,
                        .odds = odds,
                        .sequences = sequences,
                        .computed = propose > 0};
          EXPECT_GT(speedup(w, 1000), 0.97) << "odds " << odds << ", row " << row << ", sequences "
                                            << sequences << ", propose " << propose;
        }
      }
    }
  }
}

TEST(DraftPlanner, StopsWhereRowsCostWhatTheyYield) {
  DraftPlanner planner;
  for (int i = 0; i < 50; ++i) planner.took(64, 0.1 + 64), planner.took(32, 0.1 + 32);
  std::vector<Draft> drafts(64);
  for (size_t i = 0; i < drafts.size(); ++i) {
    drafts[i].number = i, drafts[i].most = 8, drafts[i].grade = 7;
    drafts[i].ids.assign(8, 1);
  }
  planner.plan(drafts, 64, 512);
  for (const Draft& d : drafts) EXPECT_EQ(d.most, 0);
}

TEST(DraftPlanner, KeepsWithinTheRowsOfAStep) {
  DraftPlanner planner;
  for (int i = 0; i < 50; ++i) planner.took(2, 1.002), planner.took(20, 1.02);
  std::vector<Draft> drafts(2);
  for (auto& d : drafts) d.most = 30, d.grade = 7, d.ids.assign(30, 1);
  drafts[1].number = 1;
  planner.plan(drafts, 2, 10);
  EXPECT_EQ(drafts[0].most + drafts[1].most, 8);
  EXPECT_EQ(drafts[0].most, 4);
}

TEST(DraftPlanner, KnowsAStepsTimeFromWhatItSaw) {
  DraftPlanner planner;
  EXPECT_EQ(planner.step_seconds(1), 0);
  for (int i = 0; i < 200; ++i) {
    const auto rows = static_cast<int64_t>(1 + i % 17);
    planner.took(rows, i == 150 ? 900 : 5 + 0.7 * static_cast<double>(rows));  // once interrupted
  }
  EXPECT_NEAR(planner.step_seconds(1), 5.7, 0.4);
  EXPECT_NEAR(planner.step_seconds(17), 16.9, 0.8);
}

}  // namespace
}  // namespace r1
