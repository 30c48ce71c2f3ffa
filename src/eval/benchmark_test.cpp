#include "eval/benchmark.h"

#include <gtest/gtest.h>

#include "grade/countdown_problems.h"

namespace r1 {
namespace {

TEST(Benchmark, EachHasItsOwnHeldOutProblems) {
  for (const Benchmark& b : benchmarks()) {
    const auto items = b.items(nullptr);
    if (b.name == "gsm8k") {  // its problems are a file's
      EXPECT_FALSE(items);
      continue;
    }
    ASSERT_TRUE(items) << b.name;
    EXPECT_GT(items->size(), 20u) << b.name;
    for (const Item& item : *items) EXPECT_TRUE(held_out(item.problem.numbers)) << item.question;
  }
  EXPECT_EQ((*find_benchmark("countdown"))->items(nullptr)->size(), 241u);
  EXPECT_NE(find_benchmark("aime").error().message.find("countdown3"), std::string::npos);
}

TEST(Benchmark, ReadsCountdownProblems) {
  const auto items = read_countdown(
      "{\"nums\":[8,1,5],\"target\":40,\"id\":\"x\"}\n\n"
      "{\"nums\":[1,2],\"target\":-3}");
  ASSERT_TRUE(items) << items.error().message;
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[0].question, "Use 8, 1, 5 to make 40.");
  EXPECT_EQ((*items)[1].problem.target, -3);
}

TEST(Benchmark, ErrorsNameTheLine) {
  const std::string good = "{\"nums\":[8,1,5],\"target\":40}\n";
  for (const char* bad :
       {"x", "{}", "{\"nums\":[1],\"target\":1}", "{\"nums\":[1,2.5],\"target\":1}",
        "{\"nums\":[1,2]}", "{\"nums\":[1,2],\"target\":\"1\"}",
        "{\"nums\":[1,99999999999999999999],\"target\":1}"}) {
    const auto items = read_countdown(good + bad);
    ASSERT_FALSE(items) << bad;
    EXPECT_TRUE(items.error().message.starts_with("line 2: ")) << items.error().message;
  }
  EXPECT_FALSE(read_countdown("\n"));
}

TEST(Benchmark, GradesByTheTaskAndVotesByValue) {
  const Benchmark& b = **find_benchmark("countdown");
  const Item item = read_countdown("{\"nums\":[8,1,5],\"target\":40}")->front();
  const Graded right = b.grade(item, "<think>.</think><answer>8*5*1</answer>");
  EXPECT_TRUE(right.right);
  EXPECT_EQ(right.vote, "40");
  const Graded wrong = b.grade(item, "<answer>8*5</answer>");
  EXPECT_FALSE(wrong.right);
  EXPECT_NE(wrong.vote, "40");
  EXPECT_EQ(b.grade(item, "nothing").vote, "");
}

TEST(Benchmark, PromptsAreFilled) {
  const Item item = read_countdown("{\"nums\":[8,1,5],\"target\":40}")->front();
  EXPECT_EQ(*fill_prompt("{nums}={target}: {problem}!", item),
            "[8, 1, 5]=40: Use 8, 1, 5 to make 40.!");
  EXPECT_NE(fill_prompt(kTinyZeroPrompt, item)->find("Using the numbers [8, 1, 5], create"),
            std::string::npos);
  EXPECT_FALSE(fill_prompt("{numbers}", item));
  EXPECT_FALSE(fill_prompt("open {nums", item));
}

}  // namespace
}  // namespace r1
