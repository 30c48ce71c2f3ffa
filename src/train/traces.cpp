#include "train/traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/rng.h"

namespace r1 {
namespace {

constexpr int64_t kLargest = 50;  // CountdownRules: of every result
constexpr int64_t kSmallestTarget = 10;
constexpr size_t kMostDrilled = 4;

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
  std::vector<Line> order = lines(problem.numbers);
  draws.shuffle(order);
  std::string answer;
  bool done = false;
  for (Line& line : order) {
    if (!thought.empty()) thought += '\n';
    thought += fmt::format("{}={}: ", line.first.text, line.first.value);
    draws.shuffle(line.attempts);
    for (const Step& attempt : line.attempts) {
      if (&attempt != &line.attempts.front()) thought += ", ";
      thought += attempt_text(attempt, problem.target);
      answer = expression(line, attempt);
      done = attempt.value == problem.target || draws.chance(give_up);
      if (done) break;
    }
    if (done) break;
  }
  return fmt::format("<think>{}</think><answer>{}</answer>", thought, answer);
}

std::string guess(const Problem& problem, Draws& draws) {
  const std::vector<Line> all = lines(problem.numbers);
  const Line& line = all[draws.below(all.size())];
  return fmt::format("<think></think><answer>{}</answer>",
                     expression(line, line.attempts[draws.below(line.attempts.size())]));
}

// Attempts until one is right, whose result is the target: of all marks about half are yes.
std::string drill(const Problem& problem, Draws& draws) {
  size_t n_attempts = 1;
  while (n_attempts < kMostDrilled && draws.chance(0.5)) ++n_attempts;
  std::vector<Line> order = lines(problem.numbers);
  draws.shuffle(order);
  struct Attempt {
    std::string before;  // what stands between it and the attempt before
    const Step* step;
  };
  std::vector<Attempt> attempts;
  for (Line& line : order) {
    draws.shuffle(line.attempts);
    const size_t most = 1 + draws.below(line.attempts.size());
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
  const int64_t target = last == attempts.rend() ? problem.target : last->step->value;
  std::string text = countdown_problem(problem.numbers, target).prompt + "\nCheck ";
  for (const Attempt& a : attempts) {
    text += a.before + attempt_text(*a.step, target);
    if (a.step->value == target) break;
  }
  return text;
}

}  // namespace

CountdownTraces::CountdownTraces(const TraceMix& mix)
    : mix_(mix), problems_(**find_task("countdown3")) {}

std::string CountdownTraces::text(uint64_t seed, uint64_t i) const {
  Draws draws(seed, i);
  const Problem problem = problems_.training(seed, i);
  const bool drilled = draws.chance(mix_.drills), guessed = draws.chance(mix_.guesses),
             persistent = draws.chance(mix_.persistent);
  std::string text;
  if (drilled) {
    text = drill(problem, draws);
  } else {
    text = problem.prompt + '\n';
    text += guessed ? guess(problem, draws)
                    : search(problem, persistent ? mix_.persistent_give_up : mix_.give_up, draws);
  }
  return fmt::format("<|begin|>{}<|end|>", text);
}

}  // namespace r1
