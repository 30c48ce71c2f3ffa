#include "train/health.h"

#include <gtest/gtest.h>

#include <cmath>

namespace r1 {
namespace {

using Values = std::vector<std::pair<std::string, double>>;

const Values kHealthy = {{"reward/mean", 0.5}, {"reward/std", 0.5},     {"groups/signal", 0.8},
                         {"length/mean", 100}, {"length/capped", 0.02}, {"entropy", 0.3},
                         {"kl", 0.01},         {"mismatch", 0},         {"gradient_norm", 0.5}};

struct Patient {
  Health health{200};
  int64_t step = 0;

  // The warnings of n steps on which `changed` differ from the healthy figures.
  std::vector<std::string> live(int n, const Values& changed = {}) {
    std::vector<std::string> told;
    for (int i = 0; i < n; ++i) {
      Values values = kHealthy;
      for (auto& [name, value] : values)
        for (const auto& [other, instead] : changed)
          if (name == other) value = instead;
      for (const Warning& w : health.step({++step, 0, values})) told.emplace_back(w.symptom->name);
    }
    return told;
  }
};

using Told = std::vector<std::string>;

TEST(Health, SaysNothingOfAHealthyRun) {
  Patient p;
  EXPECT_EQ(p.live(100), Told{});
}

TEST(Health, NamesEachFigureThatLeavesItsRange) {
  const struct {
    Values changed;
    std::string symptom;
  } cases[] = {
      {{{"reward/std", 0}, {"reward/mean", 1}}, "reward-std"},
      {{{"groups/signal", 0.2}}, "groups"},
      {{{"entropy", 0.005}}, "entropy-collapse"},
      {{{"entropy", 0.03}}, "entropy-low"},
      {{{"entropy", 0.7}}, "entropy-high"},
      {{{"kl", 0.5}}, "kl"},
      {{{"length/capped", 0.3}}, "capped"},
      {{{"mismatch", 1e-9}}, "mismatch"},
      {{{"gradient_norm", 6}}, "gradient"},
      {{{"length/mean", 50}}, "length-falls"},
      {{{"length/mean", 150}}, "length-climbs"},
      {{{"reward/mean", 0.2}}, "reward-lost"},
  };
  for (const auto& c : cases) {
    Patient p;
    p.live(20);
    EXPECT_EQ(p.live(15, c.changed), Told{c.symptom});
  }
  EXPECT_EQ(std::size(cases), symptoms().size());
}

TEST(Health, TellsOnceUntilItWasCalm) {
  Patient p;
  const Values bad = {{"reward/std", 0}};
  EXPECT_EQ(p.live(5, bad), Told{"reward-std"});
  EXPECT_EQ(p.live(3), Told{});
  EXPECT_EQ(p.live(5, bad), Told{});  // still the same one
  EXPECT_EQ(p.live(Health::kCalm), Told{});
  EXPECT_EQ(p.live(5, bad), Told{"reward-std"});
}

TEST(Health, OneOutlierIsNoCourse) {
  Patient p;
  p.live(20);
  EXPECT_EQ(p.live(1, {{"entropy", 0.2}, {"length/capped", 0.5}}), Told{});
}

TEST(Health, StepsWithoutAFigureDoNotCountForIt) {
  Health health(200);
  Told told;
  for (int64_t step = 1; step <= 60; ++step) {  // a rollout, then an update of the same answers
    Values values = {{"gradient_norm", 0.5}};
    if (step % 2 == 1) values.emplace_back("length/mean", step < 40 ? 100 : 50);
    for (const Warning& w : health.step({step, 0, values})) told.emplace_back(w.symptom->name);
  }
  EXPECT_EQ(told, Told{"length-falls"});
}

TEST(Health, FiguresThatAreMissingOrNoNumbersAreNotJudged) {
  Health health(100);
  for (int64_t step = 1; step < 50; ++step)
    EXPECT_TRUE(health.step({step, 0, {{"loss", 2}, {"entropy", std::nan("")}}}).empty());
}

}  // namespace
}  // namespace r1
