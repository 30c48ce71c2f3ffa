#include "grade/countdown_problems.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace r1 {
namespace {

TEST(CountdownProblems, TheGateHas241HeldOutProblems) {
  const auto problems = countdown_problems({});
  EXPECT_EQ(problems.size(), 1020u);
  EXPECT_EQ(std::ranges::count_if(problems, [](const auto& p) { return held_out(p.numbers); }),
            241);
}

TEST(CountdownProblems, ThereIsNoOrderInWhatIsHeldOut) {
  const std::vector<int64_t> numbers = {1, 5, 8}, turned = {8, 1, 5};
  EXPECT_EQ(held_out(numbers), held_out(turned));
}

TEST(CountdownProblems, EverySolutionSolves) {
  const auto problems = countdown_problems({});
  for (size_t i = 0; i < problems.size(); i += 17) {
    const auto solutions = countdown_solutions(problems[i], {});
    EXPECT_FALSE(solutions.empty());
    for (const std::string& text : solutions) EXPECT_TRUE(solves(problems[i], text)) << text;
  }
  const CountdownProblem impossible{{1, 1, 1}, 50};
  EXPECT_TRUE(countdown_solutions(impossible, {}).empty());
}

}  // namespace
}  // namespace r1
