#include "grade/thought.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Thought, WhatAnAnswerComesTo) {
  EXPECT_EQ(final_answer("so \\boxed{1} or rather \\boxed{\\frac{1}{2}} of 7"), "\\frac{1}{2}");
  EXPECT_EQ(final_answer("\\boxed{never closed 3"), "3");
  EXPECT_EQ(final_answer("<answer> 8*5 </answer> by 9 steps"), "8*5");
  EXPECT_EQ(final_answer("It is -1,234.5."), "-1,234.5");
  EXPECT_EQ(final_answer(" (1*8)*5\n"), "(1*8)*5");
  EXPECT_EQ(final_answer("it is 7-3"), "3");
  EXPECT_EQ(final_answer("-3"), "-3");
  EXPECT_EQ(final_answer("(a)-3"), "3");
  EXPECT_EQ(final_answer("yes, it does"), "");
  EXPECT_EQ(final_answer(""), "");
}

TEST(Thought, TheAnswerIsFoundWhereItStandsAlone) {
  const std::string_view thought = "142, 42.5, 4,200 and 42x; then 42. So 42!";
  const auto s = read_thought(thought, "The answer is 42.");
  EXPECT_EQ(s.answer, "42");
  ASSERT_EQ(s.said.size(), 2u);
  EXPECT_EQ(s.said[0].begin, thought.find("42. "));
  EXPECT_EQ(s.said[1].end, thought.size() - 1);
  EXPECT_TRUE(read_thought(thought, "I do not know").said.empty());
}

TEST(Thought, IsMeasured) {
  const auto s = read_thought("ä b\nc\n\n \nLet me check: 1+1=2\n", "2");
  EXPECT_EQ(s.paragraphs, 2);
  EXPECT_EQ(s.characters, 29);
  EXPECT_EQ(s.counts.verification, 1);
  EXPECT_EQ(s.counts.attempts, 1);
  EXPECT_EQ(s.marks.size(), 2u);
  const auto none = read_thought("", "");
  EXPECT_EQ(none.paragraphs, 0);
  EXPECT_EQ(none.characters, 0);
}

}  // namespace
}  // namespace r1
