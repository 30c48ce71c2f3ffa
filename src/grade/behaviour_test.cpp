#include "grade/behaviour.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace r1 {
namespace {

void expect(std::string_view text, int64_t verification, int64_t backtracking, int64_t attempts) {
  const Behaviours b = count_behaviours(text);
  EXPECT_EQ(b.verification, verification) << text;
  EXPECT_EQ(b.backtracking, backtracking) << text;
  EXPECT_EQ(b.attempts, attempts) << text;
}

TEST(Behaviour, WordsAreCounted) {
  expect("Let me check: 8 * 5 = 40. Wait, no, that's not right. Try again.", 1, 4, 1);
  expect("Let me double-check that.\nChecking\nagain", 2, 0, 0);
  expect("MAKE  SURE", 1, 0, 0);
  expect("checkers waiting noon announce", 0, 0, 0);
  expect("", 0, 0, 0);
}

TEST(Behaviour, MarksAreCounted) {
  expect("8*1=8 n\n8*5=40 y", 2, 1, 2);
  expect("8*1=8✗ 8*5=40✓", 2, 1, 2);
  expect("x=3 yes", 1, 0, 1);
  expect("x = -3 no", 1, 1, 1);
  expect("x=3 yellow", 0, 0, 1);
  expect("= =_ =y 12", 0, 0, 0);
}

TEST(Behaviour, MarksSayWhereTheyStand) {
  const std::string_view text = "So 8*1=8 n. Wait, check";
  const auto marks = find_behaviours(text);
  std::string told;
  for (const BehaviourMark& m : marks)
    told += fmt::format("{}:{}|", m.behaviour, text.substr(m.begin, m.end - m.begin));
  EXPECT_EQ(
      told,
      "verification:=8 n|backtracking:=8 n|attempts:=8|backtracking:Wait|verification:check|");
}

TEST(Behaviour, EveryPatternOfTheTableIsSeenWhereItStandsAlone) {
  for (const BehaviourPattern& p : behaviour_patterns()) {
    std::string text;
    for (const char c : p.pattern) text += c == '#' ? "12" : c == '_' ? " " : std::string(1, c);
    const Behaviours b = count_behaviours(text);
    const int64_t n = p.behaviour == "verification"   ? b.verification
                      : p.behaviour == "backtracking" ? b.backtracking
                                                      : b.attempts;
    EXPECT_EQ(n, 1) << p.pattern;
  }
}

}  // namespace
}  // namespace r1
