#include "grade/countdown.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/support/test_data.h"

namespace r1 {
namespace {

using Json = nlohmann::json;

TEST(Arithmetic, ExactWithTheUsualPrecedence) {
  const auto value = [](std::string_view text) {
    const auto arithmetic = evaluate_arithmetic(text);
    return arithmetic ? std::to_string(arithmetic->value.numerator) + "/" +
                            std::to_string(arithmetic->value.denominator)
                      : "none";
  };
  EXPECT_EQ(value("1 + 2 * 3"), "7/1");
  EXPECT_EQ(value("(1 + 2) * 3"), "9/1");
  EXPECT_EQ(value("9 - 4 - 3"), "2/1");
  EXPECT_EQ(value("36 * 55 / 19 / 7"), "1980/133");
  EXPECT_EQ(value("1 / 3 + 1 / 6"), "1/2");
  EXPECT_EQ(value("-2 * -(3 - 5)"), "-4/1");
  EXPECT_EQ(value("8/(3-8/3)"), "24/1");
  for (const char* bad :
       {"", "5 5", "055", "1 +", "(1", "1)", "1 / 0", "2 ** 3", "7 // 2", "1.5", "2(3)", "abc",
        "99999999999999999999", "9223372036854775807 + 1", "4611686018427387904 * 4"})
    EXPECT_EQ(value(bad), "none") << bad;
  EXPECT_EQ(value(std::string(64, '(') + "1" + std::string(64, ')')), "1/1");
  EXPECT_EQ(value(std::string(65, '(') + "1" + std::string(65, ')')), "none");
}

TEST(Countdown, OnlyEveryNumberOnceIsAnAnswer) {
  const CountdownProblem problem{{5, 8, 1}, 40};
  EXPECT_TRUE(solves(problem, "8*5*1"));
  EXPECT_TRUE(solves(problem, "5 * (8 / 1)"));
  EXPECT_FALSE(solves(problem, "8*5"));
  EXPECT_FALSE(solves(problem, "8*5*1*1"));
  EXPECT_FALSE(solves(problem, "40"));
  EXPECT_FALSE(solves({{2, 2, 3}, 12}, "3*2*2*1"));
}

TEST(Countdown, TheLastAnswerCounts) {
  const CountdownProblem problem{{5, 8, 1}, 40};
  EXPECT_EQ(countdown_reward(problem, "<think>8*5=40</think><answer>8*5*1</answer>"), 1);
  EXPECT_EQ(countdown_reward(problem, "<answer>8*5*1</answer><answer>8*5</answer>"), 0);
  EXPECT_EQ(countdown_reward(problem, "8*5*1"), 0);
  EXPECT_EQ(countdown_reward(problem, "<answer>8*5*1"), 0);
  EXPECT_EQ(countdown_reward(problem, "</answer><answer>8*5*1"), 0);
}

TEST(Countdown, TheValueVotes) {
  const CountdownProblem problem{{5, 8, 1}, 40};
  const auto vote = [&](std::string_view answer) {
    return countdown_vote(problem, "<answer>" + std::string(answer) + "</answer>");
  };
  EXPECT_EQ(vote("8*5*1"), "40");
  EXPECT_EQ(vote("1 * 5 * 8"), "40");
  EXPECT_EQ(vote("5*8-1"), "39");
  EXPECT_EQ(vote("5/8*1"), "5/8");
  EXPECT_EQ(vote("8*5"), "40 of other numbers");
  EXPECT_EQ(vote("forty"), "");
  EXPECT_EQ(countdown_vote(problem, "8*5*1"), "");
}

TEST(Countdown, TinyZerosScorer) {
  R1_TEST_DATA(path, "train/countdown_reward_golden.jsonl");
  std::istringstream lines(read_test_file(path));
  int seen = 0;
  for (std::string line; std::getline(lines, line); ++seen) {
    const Json c = Json::parse(line);
    const CountdownProblem problem{c["ground_truth"]["numbers"], c["ground_truth"]["target"]};
    const std::string transcript =
        c["prompt"].get<std::string>() + c["completion"].get<std::string>();
    EXPECT_EQ(tinyzero_countdown_reward(problem, transcript), c["score"].get<double>()) << line;
  }
  EXPECT_EQ(seen, 24);
}

}  // namespace
}  // namespace r1
