#include "grade/reward.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Format, OneThoughtThenOneAnswer) {
  EXPECT_TRUE(well_formed("<think>a < b</think>\n<answer>1+2</answer>", false));
  EXPECT_TRUE(well_formed(" <think></think><answer></answer>\n", false));
  EXPECT_TRUE(well_formed("so it is</think> <answer>3</answer>", true));
  for (const char* text :
       {"", "<answer>3</answer>", "<think>a</think>", "<think>a</think> so <answer>3</answer>",
        "<think>a</think><answer>3</answer> done", "<think>a<think>b</think><answer>3</answer>",
        "<think>a</think><answer>3</answer><answer>4</answer>",
        "<think>a<answer>3</answer></think>", "well <think>a</think><answer>3</answer>",
        "<think>a</think><answer>3"}) {
    EXPECT_FALSE(well_formed(text, false)) << text;
  }
  EXPECT_FALSE(well_formed("<think>a</think><answer>3</answer>", true)) << "opened twice";
}

TEST(Language, IsTheShareOfWordsInItsScript) {
  EXPECT_EQ(language_share("We try 3*4=12, so no.", "en"), 1);
  EXPECT_EQ(language_share("We try 三次", "en"), 0.5);
  EXPECT_EQ(language_share("We try 三次", "zh"), 0.5);
  EXPECT_EQ(language_share("これは漢字", "ja"), 1);
  EXPECT_EQ(language_share("Да, так. Yes.", "ru"), 2.0 / 3);
  EXPECT_EQ(language_share("naïve Straße", "de"), 1);
  EXPECT_EQ(language_share("<think>三</think><answer>3</answer>", "zh"), 1) << "tags are no words";
  EXPECT_EQ(language_share("1+2=3", "en"), 1);
  EXPECT_EQ(language_share("\xff\xfe", "en"), 1);
  EXPECT_FALSE(check_language("xx"));
  EXPECT_TRUE(check_language("ko"));
}

TEST(Rewards, AreNamedWithTheirWeights) {
  const auto plain = parse_reward("accuracy"), weighted = parse_reward("0.1 format");
  ASSERT_TRUE(plain && weighted);
  EXPECT_EQ(plain->weight, 1);
  EXPECT_EQ(weighted->weight, 0.1);
  EXPECT_EQ(weighted->reward->name, "format");
  EXPECT_EQ(parse_reward("style").error().message,
            "no reward style: there are accuracy, format, language");
  EXPECT_FALSE(parse_reward("much format"));

  const auto task = find_task("countdown3");
  ASSERT_TRUE(task);
  const Problem problem = countdown_problem({1, 5, 8}, 40);
  const auto value = [&](std::string_view name, std::string_view text) {
    const auto reward = parse_reward(name);
    return reward->reward->of({.task = **task, .problem = problem, .completion = text});
  };
  EXPECT_EQ(value("accuracy", "<think>x</think><answer>(8*5)*1</answer>"), 1);
  EXPECT_EQ(value("accuracy", "<think>x</think><answer>8*5</answer>"), 0);
  EXPECT_EQ(value("format", "<think>x</think><answer>8*5</answer>"), 1);
}

}  // namespace
}  // namespace r1
