#include "grade/gsm8k.h"

#include <gtest/gtest.h>

#include "tests/support/test_data.h"

namespace r1 {
namespace {

TEST(Gsm8k, AnswersAreReadWhereModelsPutThem) {
  const struct {
    const char *completion, *answer;
  } cases[] = {
      {"<think>48/2=24</think><answer>72</answer>", "72"},
      {"<answer>9</answer> no: <answer>$1,250.00 a year</answer>", "1250"},
      {"<answer>48+24=72 clips.</answer>", "72"},
      {"so it is \\boxed{007}", "7"},
      {"He has -5.\n#### -5", "-5"},
      {"#### 0.50", "0.5"},
      {"<answer>-0</answer>", "0"},
      {"<answer>5-3</answer>", "3"},
      {"<answer>1,2</answer>", "2"},
      {"<answer>none</answer> 3", ""},
      {"the answer is 72", ""},
      {"<answer>12345678901234567890</answer>", ""},
      {"", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(gsm8k_answer(c.completion), c.answer) << c.completion;
}

TEST(Gsm8k, BothFormsOfItsFilesAreRead) {
  const auto problems = read_gsm8k(
      "{\"question\": \"48 and 1,000?\", \"answer\": \"x 5\\n#### 1,048\"}\n\n"
      "{\"problem\": \"None?\", \"answer\": \"-3\"}\n");
  ASSERT_TRUE(problems) << problems.error().message;
  ASSERT_EQ(problems->size(), 2u);
  EXPECT_EQ((*problems)[0].target, 1048);
  EXPECT_EQ((*problems)[0].numbers, (std::vector<int64_t>{48, 1000}));
  EXPECT_EQ((*problems)[1].target, -3);
  const char* wrong[] = {"", "{\"question\": \"a\"}", "{\"question\": \"a\", \"answer\": \"b\"}",
                         "{\"question\": \"a\", \"answer\": \"#### 0.5\"}", "[]"};
  for (const char* text : wrong) EXPECT_FALSE(read_gsm8k(text)) << text;
}

TEST(Gsm8k, ThePublishedFilesAreReadWhole) {
  R1_TEST_DATA(train, "train/gsm8k.train.jsonl");
  R1_TEST_DATA(test, "eval/gsm8k.jsonl");
  const Task& task = **find_task("gsm8k");
  const auto problems = read_gsm8k(read_test_file(train)), held = read_gsm8k(read_test_file(test));
  ASSERT_TRUE(problems) << problems.error().message;
  ASSERT_TRUE(held) << held.error().message;
  EXPECT_EQ(problems->size(), 7473u);
  EXPECT_EQ(held->size(), 1319u);
  EXPECT_EQ(problems->front().target, 72);
  EXPECT_EQ(task.reward(problems->front(), "<answer>72</answer>"), 1);
  EXPECT_EQ(task.reward(problems->front(), "<answer>73</answer>"), 0);
  const ProblemSet set(task, *problems);
  EXPECT_EQ(set.n_training() + set.n_held_out(), 7473u);
  EXPECT_NEAR(static_cast<double>(set.n_held_out()), 7473 / 5.0, 150);
}

}  // namespace
}  // namespace r1
