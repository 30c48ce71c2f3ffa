#include "grade/countdown_problems.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "base/fnv.h"

namespace r1 {
namespace {

struct Value {
  int64_t value;
  std::string text;  // with parentheses where it is no number
};

// Calls visit for everything that all of `values` make within the rules.
void combine_all(const std::vector<Value>& values, const CountdownRules& rules,
                 const std::function<void(const Value&)>& visit) {
  if (values.size() == 1) return visit(values.front());
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = 0; j < values.size(); ++j) {
      if (i == j) continue;
      const Value &a = values[i], &b = values[j];
      const auto with = [&](char op, int64_t result) {
        if (result < 0 || result > rules.largest_result) return;
        std::vector<Value> rest;
        for (size_t k = 0; k < values.size(); ++k) {
          if (k != i && k != j) rest.push_back(values[k]);
        }
        rest.push_back({result, fmt::format("({}{}{})", a.text, op, b.text)});
        combine_all(rest, rules, visit);
      };
      if (i < j) {  // the same the other way round
        with('+', a.value + b.value);
        with('*', a.value * b.value);
      }
      with('-', a.value - b.value);
    }
  }
}

std::vector<Value> values_of(std::span<const int64_t> numbers) {
  std::vector<Value> values;
  for (const int64_t n : numbers) values.push_back({n, std::to_string(n)});
  return values;
}

}  // namespace

std::vector<CountdownProblem> countdown_problems(const CountdownRules& rules) {
  std::vector<CountdownProblem> problems;
  std::vector<int64_t> numbers;
  const std::function<void(int64_t)> extend = [&](int64_t from) {
    if (std::ssize(numbers) == rules.n_numbers) {
      std::set<int64_t> targets;
      combine_all(values_of(numbers), rules, [&](const Value& v) {
        if (v.value >= rules.smallest_target) targets.insert(v.value);
      });
      for (const int64_t target : targets) problems.push_back({numbers, target});
      return;
    }
    for (int64_t n = from; n <= rules.largest_number; ++n) {
      numbers.push_back(n);
      extend(n);
      numbers.pop_back();
    }
  };
  extend(1);
  return problems;
}

std::vector<std::string> countdown_solutions(const CountdownProblem& problem,
                                             const CountdownRules& rules) {
  std::set<std::string> texts;
  combine_all(values_of(problem.numbers), rules, [&](const Value& v) {
    // Without the outermost parentheses.
    if (v.value == problem.target)
      texts.insert(v.text.starts_with('(') ? v.text.substr(1, v.text.size() - 2) : v.text);
  });
  return {texts.begin(), texts.end()};
}

bool held_out(std::span<const int64_t> numbers) {
  std::vector<int64_t> sorted(numbers.begin(), numbers.end());
  std::sort(sorted.begin(), sorted.end());
  return fnv1a64(fmt::format("{}", fmt::join(sorted, ","))) % 5 == 0;
}

}  // namespace r1
