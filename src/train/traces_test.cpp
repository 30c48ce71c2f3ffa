#include "train/traces.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "grade/countdown.h"
#include "grade/countdown_problems.h"

namespace r1 {
namespace {

std::string whole(const GeneratedText& text) { return text.given + text.wanted; }

// The numbers of "Use 1, 5, 8 to make 40.", the target last.
std::vector<int64_t> numbers_of(std::string_view text) {
  std::vector<int64_t> numbers;
  for (const char c : text.substr(0, text.find('\n'))) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && numbers.size() % 2 == 1) numbers.back() = numbers.back() * 10 + (c - '0');
    if (digit == (numbers.size() % 2 == 1)) continue;
    numbers.push_back(digit ? c - '0' : -1);
  }
  std::erase(numbers, -1);
  return numbers;
}

// An attempt "5*8=40 no": whether it is true, and so is its mark.
struct Attempt {
  std::string text;
  bool computed = false, marked = false, yes = false;
};
std::vector<Attempt> attempts_of(std::string_view text, int64_t target) {
  std::vector<Attempt> all;
  for (size_t at = 0; (at = text.find('=', at)) != text.npos; ++at) {
    const size_t begin = text.find_last_not_of("0123456789+-*", at - 1) + 1;
    size_t end = at + 1;
    int64_t value = 0;
    for (; end < text.size() && text[end] >= '0' && text[end] <= '9'; ++end)
      value = 10 * value + (text[end] - '0');
    Attempt a{.text = std::string(text.substr(begin, at - begin))};
    const auto true_value = evaluate_arithmetic(a.text);
    a.computed = true_value && true_value->value == Rational{value, 1};
    const std::string_view mark = text.substr(end);
    a.yes = mark.starts_with(" yes");
    a.marked = a.yes                     ? value == target
               : mark.starts_with(" no") ? value != target
                                         : mark.starts_with(": ");
    all.push_back(std::move(a));
  }
  return all;
}

TEST(Traces, EveryTextIsTrueAndOfTrainingNumbers) {
  const Traces traces(TraceMix{});
  for (uint64_t i = 0; i < 3000; ++i) {
    const std::string text = whole(traces.text(1, i));
    if (text.find("Use ") == text.npos) {
      for (const Attempt& a : attempts_of(text, 0)) EXPECT_TRUE(a.computed) << text;
      continue;
    }
    std::vector<int64_t> numbers = numbers_of(text);
    ASSERT_EQ(numbers.size(), 4u) << text;
    const int64_t target = numbers.back();
    numbers.pop_back();
    EXPECT_FALSE(held_out(numbers)) << text;
    EXPECT_TRUE(text.starts_with("<|begin|>Use ") && text.ends_with("<|end|>")) << text;
    std::set<std::string> tried;
    size_t yes = 0;
    for (const Attempt& a : attempts_of(text, target)) {
      EXPECT_TRUE(a.computed && a.marked) << a.text << " in " << text;
      yes += a.yes;
    }
    EXPECT_LE(yes, 1u) << text;  // it ends there
    if (const auto answer = last_answer(text)) {
      const auto value = evaluate_arithmetic(*answer);
      ASSERT_TRUE(value) << text;
      // All the numbers, whatever they make; what was marked right is right.
      EXPECT_TRUE(solves({numbers, value->value.numerator}, *answer)) << text;
      EXPECT_TRUE(yes == 0 || value->value == (Rational{target, 1})) << text;
    } else {
      EXPECT_NE(text.find("\nCheck "), text.npos) << text;
    }
  }
}

TEST(Traces, APersistentSearchTriesNothingTwiceAndFinds) {
  const Traces traces(
      {.sums = 0, .drills = 0, .guesses = 0, .persistent = 1, .persistent_give_up = 0});
  size_t longest = 0;
  for (uint64_t i = 0; i < 500; ++i) {
    const std::string text = whole(traces.text(2, i));
    EXPECT_NE(text.find(" yes</think>"), text.npos) << text;
    std::set<std::string> lines;
    std::string_view rest = std::string_view(text).substr(text.find("<think>") + 7);
    rest = rest.substr(0, rest.find("</think>"));
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      EXPECT_TRUE(lines.insert(std::string(line.substr(0, line.find(':')))).second) << text;
      std::set<std::string> tried;
      for (const Attempt& a : attempts_of(line.substr(line.find(':') + 1), 0))
        EXPECT_TRUE(tried.insert(a.text).second) << text;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    longest = std::max(longest, lines.size());
  }
  EXPECT_GE(longest, 7u);
}

TEST(Traces, FourNumbersAndEquationsKeepTheSameRules) {
  const Traces traces(
      {.sums = 0, .four = 0.5, .linear = 0.5, .long_drills = 0.5, .persistent = 0.5});
  const Task *four = *find_task("countdown4"), *linear = *find_task("linear");
  size_t right = 0, answers = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const GeneratedText text = traces.text(7, i);
    const bool equation = text.given.find("Solve ") != text.given.npos;
    std::vector<int64_t> numbers = numbers_of(text.given);
    ASSERT_EQ(numbers.size(), equation ? 3u : 5u) << text.given;
    Problem problem{"", numbers, numbers.back()};
    if (!equation) problem.numbers.pop_back();
    EXPECT_FALSE(held_out(problem.numbers)) << text.given;
    size_t yes = 0;
    for (const Attempt& a : attempts_of(text.wanted, numbers.back())) {
      EXPECT_TRUE(a.computed && a.marked) << a.text << " in " << whole(text);
      yes += a.yes;
    }
    EXPECT_LE(yes, 1u) << whole(text);
    if (!last_answer(text.wanted)) continue;
    ++answers;
    if (equation) {  // the root is the answer: a*x, then b added or taken away
      const bool minus = text.given.find("x-") != text.given.npos;
      problem.target = (numbers[2] + (minus ? numbers[1] : -numbers[1])) / numbers[0];
    }
    const double reward = (equation ? linear : four)->reward(problem, text.wanted);
    EXPECT_TRUE(yes == 0 || reward == 1) << whole(text);
    right += reward == 1;
  }
  EXPECT_GT(right, answers / 10);
  EXPECT_LT(right, answers);
}

TEST(Traces, TheMixIsWhatItSays) {
  const TraceMix mix;
  const Traces traces(mix);
  std::map<std::string, double> share;
  constexpr int kTexts = 20000;
  double yes = 0, marks = 0;
  for (uint64_t i = 0; i < kTexts; ++i) {
    const std::string text = whole(traces.text(3, i));
    const bool drill = text.find("\nCheck ") != text.npos;
    if (text.find("Use ") == text.npos) {
      share["sums"] += 1;
      continue;
    }
    share[drill ? "drill" : text.find("<think></think>") != text.npos ? "guess" : "search"] += 1;
    if (!drill) continue;
    for (size_t at = 0; (at = text.find(" no", at)) != text.npos; ++at) ++marks;
    const bool right = text.find(" yes") != text.npos;
    yes += right;
    marks += right;
  }
  EXPECT_NEAR(share["sums"] / kTexts, mix.sums, 0.01);
  const double rest = kTexts - share["sums"];
  EXPECT_NEAR(share["drill"] / rest, mix.drills, 0.01);
  EXPECT_NEAR(share["guess"] / rest, (1 - mix.drills) * mix.guesses, 0.01);
  EXPECT_NEAR(yes / marks, 0.3, 0.1);  // neither mark is the better guess
  EXPECT_EQ(whole(traces.text(3, 17)), whole(traces.text(3, 17)));
  EXPECT_NE(whole(traces.text(3, 17)), whole(traces.text(4, 17)));
}

}  // namespace
}  // namespace r1
