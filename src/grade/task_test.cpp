#include "grade/task.h"

#include <gtest/gtest.h>

#include <set>

#include "grade/countdown.h"
#include "grade/countdown_problems.h"

namespace r1 {
namespace {

TEST(Task, UnknownNamesAreRefusedWithTheKnownOnes) {
  EXPECT_TRUE(find_task("countdown3"));
  const auto wrong = find_task("countdown5");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("countdown5"), std::string::npos);
  EXPECT_NE(wrong.error().message.find("linear"), std::string::npos);
}

TEST(Task, NoProblemOfTrainingHasHeldOutNumbers) {
  for (const Task& task : tasks()) {
    SCOPED_TRACE(task.name);
    if (!task.problems) continue;  // a file's
    const ProblemSet problems(task);
    EXPECT_GE(problems.n_held_out(), 200u);
    EXPECT_GE(problems.n_training(), 3 * problems.n_held_out() / 2);
    for (uint64_t i = 0; i < 500; ++i) EXPECT_FALSE(held_out(problems.training(7, i).numbers));
    for (size_t i = 0; i < problems.n_held_out(); ++i)
      EXPECT_TRUE(held_out(problems.held_out(i).numbers));
  }
}

TEST(Task, TheGateIsAll241) {
  const ProblemSet problems(**find_task("countdown3"));
  EXPECT_EQ(problems.n_held_out(), 241u);
  EXPECT_EQ(problems.n_training(), 779u);
}

TEST(Task, DrawsAreFunctionsOfSeedAndNumberThatReachEveryProblemAndOrder) {
  const ProblemSet problems(**find_task("countdown3"));
  std::set<std::string> prompts;
  std::set<std::pair<std::set<int64_t>, int64_t>> all;
  for (uint64_t i = 0; i < 20000; ++i) {
    const Problem p = problems.training(3, i);
    prompts.insert(p.prompt);
    all.insert({{p.numbers.begin(), p.numbers.end()}, p.target});
  }
  EXPECT_GT(prompts.size(), 3600u);  // of 779 problems in up to six orders
  EXPECT_GT(all.size(), 700u);
  EXPECT_EQ(problems.training(3, 11).prompt, problems.training(3, 11).prompt);
  EXPECT_NE(problems.training(3, 11).prompt, problems.training(4, 11).prompt);
}

TEST(Task, RewardsAreExact) {
  const Problem count = countdown_problem({5, 1, 8}, 40);
  EXPECT_EQ(count.prompt, "Use 5, 1, 8 to make 40.");
  const auto countdown3 = (*find_task("countdown3"))->reward;
  EXPECT_EQ(countdown3(count, "no</think><answer>(5*8)*1</answer>"), 1);
  EXPECT_EQ(countdown3(count, "<answer>5*8</answer>"), 0);
  EXPECT_EQ(countdown3(count, "(5*8)*1"), 0);

  const Task& arithmetic = **find_task("arithmetic");
  const Problem twenty{"Compute 7+3*5-2.", {7, 3, 5, 2}, 20};
  EXPECT_EQ(arithmetic.reward(twenty, "<answer>20</answer>"), 1);
  for (const char* wrong : {"<answer>2</answer>", "<answer>20 </answer>", "<answer></answer>",
                            "<answer>7+3*5-2</answer>", "20"})
    EXPECT_EQ(arithmetic.reward(twenty, wrong), 0) << wrong;
}

TEST(Task, AnswersOfGeneratedProblemsAreTrue) {
  for (const Problem& p : (*find_task("arithmetic"))->problems()) {
    const std::string text = p.prompt.substr(8, p.prompt.size() - 9);
    const auto value = evaluate_arithmetic(text);
    ASSERT_TRUE(value) << p.prompt;
    EXPECT_EQ(value->value, (Rational{p.target, 1})) << p.prompt;
  }
  for (const Problem& p : (*find_task("linear"))->problems()) {
    const size_t x = p.prompt.find('x'), equals = p.prompt.find('=');
    const std::string left = p.prompt.substr(6, x - 6) + std::to_string(p.target) +
                             p.prompt.substr(x + 1, equals - x - 1);
    const auto value = evaluate_arithmetic(left);
    ASSERT_TRUE(value) << left;
    EXPECT_EQ(value->value, (Rational{p.numbers[2], 1})) << p.prompt;
  }
}

}  // namespace
}  // namespace r1
