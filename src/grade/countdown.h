// Countdown: reach the target from the given numbers, each used once, with + - * / and parentheses.
// Graded exactly, in rationals. A grade is the same whether it rewards or evaluates (law 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

struct CountdownProblem {
  std::vector<int64_t> numbers;
  int64_t target = 0;
};

struct Rational {  // numerator / denominator in lowest terms, denominator > 0
  int64_t numerator = 0, denominator = 1;
  bool operator==(const Rational&) const = default;
};

// An arithmetic expression of whole numbers and its numbers in order of appearance. Nothing: it is
// not one (also "5 5", "055", "5//2"), it divides by zero, it is nested deeper than 64, or a value
// leaves the 64-bit integers.
struct Arithmetic {
  Rational value;
  std::vector<int64_t> numbers;
};
std::optional<Arithmetic> evaluate_arithmetic(std::string_view text);

// Whether `text` is an expression that uses every number of the problem exactly once and equals its
// target.
bool solves(const CountdownProblem& problem, std::string_view text);

// The text between the last <answer> and the </answer> that follows it; nothing where there is
// none.
std::optional<std::string_view> last_answer(std::string_view completion);

// 1 for a right answer, else 0: the reward of R1-Zero (R1 section 2.2.2).
double countdown_reward(const CountdownProblem& problem, std::string_view completion);

// What the last answer votes for: its value ("40", "3/2"), marked where it does not use every
// number exactly once; "" where it is no arithmetic. Right answers, and they alone, vote for the
// target.
std::string countdown_vote(const CountdownProblem& problem, std::string_view completion);

// TinyZero's scorer of a whole transcript: 1 right, 0.1 an answer that is not right, 0 none. It
// looks at the last line behind "Assistant:" (or "<|im_start|>assistant") alone.
double tinyzero_countdown_reward(const CountdownProblem& problem, std::string_view transcript);

}  // namespace r1
