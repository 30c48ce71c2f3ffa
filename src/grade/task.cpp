#include "grade/task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <utility>

#include "base/rng.h"
#include "grade/countdown.h"
#include "grade/countdown_problems.h"
#include "grade/gsm8k.h"

namespace r1 {
namespace {

enum Stream : uint64_t { kChoice = 0x7461736b00, kOrder, kArithmetic, kLinear };

size_t below(size_t n, uint64_t seed, uint64_t stream, uint64_t counter) {
  return static_cast<size_t>(uniform(seed, stream, counter) * static_cast<double>(n));
}

// Countdown.

std::vector<Problem> countdown(int n_numbers) {
  std::vector<Problem> problems;
  for (CountdownProblem& p : countdown_problems({.n_numbers = n_numbers}))
    problems.push_back(countdown_problem(std::move(p.numbers), p.target));
  return problems;
}
std::vector<Problem> countdown3() { return countdown(3); }
std::vector<Problem> countdown4() { return countdown(4); }

Problem reorder_countdown(const Problem& problem, uint64_t seed, uint64_t i) {
  std::vector<int64_t> numbers = problem.numbers;
  for (size_t k = numbers.size() - 1; k > 0; --k)
    std::swap(numbers[k], numbers[below(k + 1, seed, kOrder, i * numbers.size() + k)]);
  return countdown_problem(std::move(numbers), problem.target);
}

double reward_countdown(const Problem& problem, std::string_view completion) {
  return countdown_reward({problem.numbers, problem.target}, completion);
}

std::string vote_countdown(const Problem& problem, std::string_view completion) {
  return countdown_vote({problem.numbers, problem.target}, completion);
}

// Problems with a number for an answer.

std::string vote_number(const Problem&, std::string_view completion) {
  return std::string(last_answer(completion).value_or(""));
}

double reward_number(const Problem& problem, std::string_view completion) {
  const auto answer = last_answer(completion);
  if (!answer) return 0;
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(answer->begin(), answer->end(), value);
  return failure == std::errc() && end == answer->end() && value == problem.target ? 1 : 0;
}

// "Compute 7+3*5-2.": four numbers 1 ... 9, every result on the way in 0 ... 50.
std::vector<Problem> arithmetic() {
  constexpr uint64_t kDraws = 20000;
  std::vector<Problem> problems;
  for (uint64_t i = 0; i < kDraws; ++i) {
    std::vector<int64_t> numbers, sums;  // what + and - join: products so far
    std::string text;
    bool within = true;
    int64_t total = 0;
    char sign = '+';  // of the product under way
    for (uint64_t k = 0; k < 4; ++k) {
      const auto draw = [&](size_t n, uint64_t j) { return below(n, 0, kArithmetic, 8 * i + j); };
      const auto n = static_cast<int64_t>(1 + draw(9, k));
      const char op = k == 0 ? '+' : "+-*"[draw(3, 4 + k)];
      if (k > 0) text += op;
      text += std::to_string(n);
      numbers.push_back(n);
      const auto close = [&] {
        total += (sign == '-' ? -1 : 1) * sums.back();
        within = within && total >= 0 && total <= 50;
      };
      if (op == '*') {
        sums.back() *= n;
        within = within && sums.back() <= 50;
      } else {
        if (k > 0) close();
        sign = op;
        sums.push_back(n);
      }
      if (k == 3) close();
    }
    if (within) problems.push_back({fmt::format("Compute {}.", text), numbers, total});
  }
  return problems;
}

// "Solve 3*x+5=20.": a in 2 ... 9, b in 1 ... 20 added or taken away, x in 0 ... 20, a x <= 50 and
// the right side in 0 ... 50.
std::vector<Problem> linear_equations() {
  std::vector<Problem> problems;
  for (int64_t a = 2; a <= 9; ++a) {
    for (int64_t x = 0; x <= 20 && a * x <= 50; ++x) {
      for (int64_t b = -20; b <= 20; ++b) {
        const int64_t c = a * x + b;
        if (b == 0 || c < 0 || c > 50) continue;
        const int64_t size = b < 0 ? -b : b;
        problems.push_back(
            {fmt::format("Solve {}*x{}{}={}.", a, b < 0 ? '-' : '+', size, c), {a, size, c}, x});
      }
    }
  }
  return problems;
}

std::string vote_gsm8k(const Problem&, std::string_view completion) {
  return gsm8k_answer(completion);
}

double reward_gsm8k(const Problem& problem, std::string_view completion) {
  return gsm8k_answer(completion) == std::to_string(problem.target) ? 1 : 0;
}

constexpr Task kTasks[] = {
    {"countdown3", "three numbers 1-9 make a target 10-50 by + - *", countdown3, reorder_countdown,
     reward_countdown, vote_countdown},
    {"countdown4", "four numbers 1-9 make a target 10-50 by + - *", countdown4, reorder_countdown,
     reward_countdown, vote_countdown},
    {"arithmetic", "four numbers 1-9 and + - *: the result", arithmetic, nullptr, reward_number,
     vote_number},
    {"linear", "a*x+b=c in whole numbers: x", linear_equations, nullptr, reward_number,
     vote_number},
    {"gsm8k", "word problems of GSM8K, lines of its files", nullptr, nullptr, reward_gsm8k,
     vote_gsm8k, read_gsm8k},
};

}  // namespace

std::span<const Task> tasks() { return kTasks; }

Result<const Task*> find_task(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Task& task : kTasks) {
    if (task.name == name) return &task;
    names.push_back(task.name);
  }
  return error("no task {}: there are {}", name, fmt::join(names, ", "));
}

Problem countdown_problem(std::vector<int64_t> numbers, int64_t target) {
  std::string prompt = fmt::format("Use {} to make {}.", fmt::join(numbers, ", "), target);
  return {std::move(prompt), std::move(numbers), target};
}

ProblemSet::ProblemSet(const Task& task, std::vector<Problem> problems) : task_(task) {
  for (Problem& problem : problems)
    (r1::held_out(problem.numbers) ? held_out_ : training_).push_back(std::move(problem));
}

Problem ProblemSet::training(uint64_t seed, uint64_t i) const {
  const Problem& problem = training_[below(training_.size(), seed, kChoice, i)];
  return task_.reorder ? task_.reorder(problem, seed, i) : problem;
}

Problem ProblemSet::held_out(size_t i) const {
  const Problem& problem = held_out_[i];
  return task_.reorder ? task_.reorder(problem, 0, i) : problem;
}

}  // namespace r1
