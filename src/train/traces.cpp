#include "train/traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "grade/countdown_problems.h"

namespace r1 {
namespace {

constexpr int64_t kLargest = 50;  // CountdownRules: of every result
constexpr int64_t kSmallestTarget = 10;
constexpr int64_t kWideNumber = 12;
constexpr size_t kShortDrill = 4, kLongDrill = 26;  // attempts, at most
constexpr size_t kSums = 8;

// The draws of one text.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t i) : seed_(seed), at_(i * kPerText) {}
  double unit() { return uniform(seed_, 0x747261636573, at_++); }
  size_t below(size_t n) { return static_cast<size_t>(unit() * static_cast<double>(n)); }
  bool chance(double p) { return unit() < p; }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t k = items.size(); k > 1; --k) std::swap(items[k - 1], items[below(k)]);
  }

 private:
  static constexpr uint64_t kPerText = 1024;
  uint64_t seed_, at_;
};

struct Step {
  std::string text;  // "5*8"
  int64_t value;
};

// The results of two numbers within the rules; the larger one is first where that matters.
std::vector<Step> steps(int64_t a, int64_t b) {
  std::vector<Step> all = {
      {fmt::format("{}+{}", a, b), a + b},
      {fmt::format("{}-{}", std::max(a, b), std::min(a, b)), std::max(a, b) - std::min(a, b)},
      {fmt::format("{}*{}", a, b), a * b}};
  std::erase_if(all, [](const Step& s) { return s.value > kLargest; });
  return all;
}

// A line of a thought: a step, and what the third number makes of it.
struct Line {
  Step first;
  int64_t third;
  std::vector<Step> attempts;
};

std::vector<Line> lines(const std::vector<int64_t>& numbers) {
  std::vector<Line> all;
  for (size_t third = 0; third < 3; ++third) {
    const int64_t a = numbers[third == 0 ? 1 : 0], b = numbers[third == 2 ? 1 : 2];
    for (Step& first : steps(a, b)) {
      const bool again =
          std::ranges::any_of(all, [&](const Line& l) { return l.first.text == first.text; });
      if (again) continue;  // of equal numbers
      std::vector<Step> attempts = steps(first.value, numbers[third]);
      all.push_back({std::move(first), numbers[third], std::move(attempts)});
    }
  }
  return all;
}

// The lines, and the attempts of each, in some order.
std::vector<Line> search_order(const std::vector<int64_t>& numbers, Draws& draws) {
  std::vector<Line> order = lines(numbers);
  draws.shuffle(order);
  for (Line& line : order) draws.shuffle(line.attempts);
  return order;
}

// "(5*8)-1", or "9-(2+3)" where the first step's result is taken from the third number.
std::string expression(const Line& line, const Step& attempt) {
  const std::string first = std::to_string(line.first.value);
  const char op = attempt.text[attempt.text.find_first_of("+-*")];
  if (attempt.text.starts_with(first + op))
    return fmt::format("({}){}{}", line.first.text, op, line.third);
  return fmt::format("{}{}({})", line.third, op, line.first.text);
}

std::string attempt_text(const Step& attempt, int64_t target) {
  return fmt::format("{}={} {}", attempt.text, attempt.value,
                     attempt.value == target ? "yes" : "no");
}

std::string search(const Problem& problem, double give_up, Draws& draws) {
  std::string thought;
  std::vector<Line> order = search_order(problem.numbers, draws);
  std::string answer;
  bool done = false;
  for (Line& line : order) {
    if (!thought.empty()) thought += '\n';
    thought += fmt::format("{}={}: ", line.first.text, line.first.value);
    for (const Step& attempt : line.attempts) {
      if (&attempt != &line.attempts.front()) thought += ", ";
      thought += attempt_text(attempt, problem.target);
      answer = expression(line, attempt);
      done = attempt.value == problem.target || draws.chance(give_up);
      if (done) break;
    }
    if (done) break;
  }
  return fmt::format("{}</think><answer>{}</answer>", thought, answer);
}

std::string guess(const Problem& problem, Draws& draws) {
  const std::vector<Line> all = lines(problem.numbers);
  const Line& line = all[draws.below(all.size())];
  return fmt::format("</think><answer>{}</answer>",
                     expression(line, line.attempts[draws.below(line.attempts.size())]));
}

// Attempts until one is right, whose result is the target. Mostly few: of their marks half are yes.
GeneratedText drill(const std::vector<int64_t>& numbers, bool long_one, Draws& draws) {
  size_t n_attempts = 1;
  while (!long_one && n_attempts < kShortDrill && draws.chance(0.5)) ++n_attempts;
  if (long_one) n_attempts += draws.below(kLongDrill);
  std::vector<Line> order = search_order(numbers, draws);
  struct Attempt {
    std::string before;  // what stands between it and the attempt before
    const Step* step;
  };
  std::vector<Attempt> attempts;
  for (Line& line : order) {
    const size_t all = line.attempts.size(), most = long_one ? all : 1 + draws.below(all);
    std::string before =
        fmt::format("{}{}={}: ", attempts.empty() ? "" : "\n", line.first.text, line.first.value);
    for (size_t a = 0; a < most && attempts.size() < n_attempts; ++a) {
      attempts.push_back({before, &line.attempts[a]});
      before = ", ";
    }
  }
  // The last that may be a target; without one nothing is right.
  const auto may_be = [](const Attempt& a) { return a.step->value >= kSmallestTarget; };
  const auto last = std::find_if(attempts.rbegin(), attempts.rend(), may_be);
  const int64_t target = last == attempts.rend() ? kLargest : last->step->value;
  std::string text;
  for (const Attempt& a : attempts) {
    text += a.before + attempt_text(*a.step, target);
    if (a.step->value == target) break;
  }
  return {countdown_problem(numbers, target).prompt + "\nCheck ", text};
}

// "27+1=28, 6*7=42, ...": what the steps of every problem need, of any two numbers.
std::string sums(Draws& draws) {
  std::string text;
  for (size_t n = 0; n < kSums; ++n) {
    const auto a = static_cast<int64_t>(draws.below(kLargest + 1)),
               b = static_cast<int64_t>(1 + draws.below(kWideNumber));
    const std::vector<Step> all = draws.chance(0.8) ? steps(a, b) : steps(b, a);
    if (all.empty()) continue;
    const Step& step = all[draws.below(all.size())];
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", step.text, step.value);
  }
  return text;
}

// Three numbers up to kWideNumber, held out by the same rule, and what some attempt makes of them.
Problem wide_problem(Draws& draws) {
  while (true) {
    std::vector<int64_t> numbers(3);
    for (int64_t& n : numbers) n = static_cast<int64_t>(1 + draws.below(kWideNumber));
    if (held_out(numbers)) continue;
    std::vector<int64_t> targets;
    for (const Line& line : lines(numbers)) {
      for (const Step& attempt : line.attempts)
        if (attempt.value >= kSmallestTarget) targets.push_back(attempt.value);
    }
    if (!targets.empty()) return countdown_problem(numbers, targets[draws.below(targets.size())]);
  }
}

}  // namespace

CountdownTraces::CountdownTraces(const TraceMix& mix)
    : mix_(mix), problems_(**find_task("countdown3")) {}

GeneratedText CountdownTraces::text(uint64_t seed, uint64_t i) const {
  Draws draws(seed, i);
  const auto framed = [](const GeneratedText& t) {
    return GeneratedText{"<|begin|>" + t.given, t.wanted + "<|end|>"};
  };
  if (draws.chance(mix_.sums)) return framed({"", sums(draws)});
  const Problem problem =
      draws.chance(mix_.wide) ? wide_problem(draws) : problems_.training(seed, i);
  const bool drilled = draws.chance(mix_.drills), long_drill = draws.chance(mix_.long_drills),
             guessed = draws.chance(mix_.guesses), persistent = draws.chance(mix_.persistent);
  if (drilled) return framed(drill(problem.numbers, long_drill, draws));
  const double give_up = persistent ? mix_.persistent_give_up : mix_.give_up;
  return framed({problem.prompt + "\n<think>",
                 guessed ? guess(problem, draws) : search(problem, give_up, draws)});
}

}  // namespace r1
