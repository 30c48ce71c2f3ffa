#include "train/traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "base/rng.h"
#include "grade/countdown_problems.h"

namespace r1 {
namespace {

constexpr int64_t kLargest = 50;  // CountdownRules: of every result
constexpr int64_t kSmallestTarget = 10;
constexpr int64_t kWideNumber = 12;
constexpr int64_t kLargestRoot = 20;                // of linear equations
constexpr size_t kShortDrill = 4, kLongDrill = 26;  // attempts, at most
constexpr size_t kMostAttempts = 32;   // of a search: what fits in the context of a small model
constexpr double kNothingRight = 0.5;  // of long drills
constexpr size_t kSums = 8;

// The draws of one text.
class Draws {
 public:
  Draws(uint64_t seed, uint64_t i) : seed_(seed), at_(i * kPerText) {}
  double unit() { return uniform(seed_, 0x747261636573, at_++); }
  size_t below(size_t n) { return static_cast<size_t>(unit() * static_cast<double>(n)); }
  bool chance(double p) { return unit() < p; }
  template <class Items>
  void shuffle(Items& items) {
    for (size_t k = items.size(); k > 1; --k) std::swap(items[k - 1], items[below(k)]);
  }

 private:
  static constexpr uint64_t kPerText = 1024;
  uint64_t seed_, at_;
};

// Something a person tries: "40-1", what it makes, and the answer if that is right.
struct Attempt {
  std::string text;
  int64_t value;
  std::string answer;
};

// A line of a thought: "5*8=40: ", and what can be made of it.
struct Line {
  std::string steps;
  std::vector<Attempt> attempts;
};

// Hears one line after another; false: enough. A text uses few of the lines there are.
using Tell = FunctionRef<bool(const Line&)>;

// The order in which someone goes through what there is to try: the same all through a text, so
// that what was tried last tells what comes next.
struct Habit {
  explicit Habit(Draws& draws) {
    draws.shuffle(operators);
    draws.shuffle(pairs);
    root = static_cast<int64_t>(draws.below(kLargestRoot + 1));
  }
  Habit() = default;
  std::string operators = "+-*";
  std::vector<size_t> pairs = {0, 1, 2};  // of three numbers, by the one left out
  int64_t root = 0;                       // the first to be tried
};

struct Step {
  std::string text;  // "5*8"
  int64_t value;
};

// What two numbers make within the rules; the larger one is first where that matters.
std::vector<Step> steps(int64_t a, int64_t b, const std::string& operators = "+-*") {
  std::vector<Step> all;
  for (const char op : operators) {
    const bool turned = op == '-' && a < b;
    const int64_t x = turned ? b : a, y = turned ? a : b;
    const int64_t value = op == '+' ? x + y : op == '-' ? x - y : x * y;
    if (value <= kLargest) all.push_back({fmt::format("{}{}{}", x, op, y), value});
  }
  return all;
}

// A number, and how it was made: "13" of "5+8".
struct Made {
  int64_t value;
  std::string how;
  std::string inner() const { return how.find_first_of("+-*") == how.npos ? how : "(" + how + ")"; }
};

// What `a` and `b` make, each with how: "(5+8)-1".
std::vector<std::pair<Step, Made>> combinations(const Made& a, const Made& b, const Habit& habit) {
  std::vector<std::pair<Step, Made>> all;
  for (Step& step : steps(a.value, b.value, habit.operators)) {
    const char op = step.text[step.text.find_first_of("+-*")];
    const bool turned = op == '-' && a.value < b.value;
    const Made &x = turned ? b : a, &y = turned ? a : b;
    const int64_t value = step.value;
    all.push_back({std::move(step), {value, fmt::format("{}{}{}", x.inner(), op, y.inner())}});
  }
  return all;
}

// Tells all that `left` make: each first step, then the rest in the same way. `steps` stands
// before; `told`: of the lines so far. False once it was enough.
bool extend(const std::vector<Made>& left, const std::string& steps, const Habit& habit,
            std::vector<std::string>& told, Tell tell) {
  if (left.size() == 2) {
    if (std::ranges::find(told, steps) != told.end()) return true;  // of equal numbers
    told.push_back(steps);
    Line line{steps, {}};
    for (auto& [step, made] : combinations(left[0], left[1], habit))
      line.attempts.push_back({step.text, step.value, made.how});
    return tell(line);
  }
  std::vector<std::pair<size_t, size_t>> pairs;
  if (left.size() == 3) {
    for (const size_t out : habit.pairs) pairs.push_back({out == 0 ? 1 : 0, out == 2 ? 1 : 2});
  } else {
    for (size_t i = 0; i < left.size(); ++i)
      for (size_t j = i + 1; j < left.size(); ++j) pairs.push_back({i, j});
    std::rotate(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(habit.pairs.front()),
                pairs.end());
  }
  for (const auto& [i, j] : pairs) {
    for (auto& [step, made] : combinations(left[i], left[j], habit)) {
      std::vector<Made> rest = {made};
      for (size_t k = 0; k < left.size(); ++k) {
        if (k != i && k != j) rest.push_back(left[k]);
      }
      if (!extend(rest, fmt::format("{}{}={}: ", steps, step.text, step.value), habit, told, tell))
        return false;
    }
  }
  return true;
}

void countdown_lines(const Problem& problem, const Habit& habit, Tell tell) {
  std::vector<Made> numbers;
  for (const int64_t n : problem.numbers) numbers.push_back({n, std::to_string(n)});
  std::vector<std::string> told;
  extend(numbers, "", habit, told, tell);
}

// a*x+b=c: numbers a, b, c; the sign is what makes it true.
int64_t signed_term(const Problem& p) {
  return p.numbers[0] * p.target + p.numbers[1] == p.numbers[2] ? p.numbers[1] : -p.numbers[1];
}

// One root after another, from some root on.
void linear_lines(const Problem& problem, const Habit& habit, Tell tell) {
  const int64_t a = problem.numbers[0], b = signed_term(problem);
  for (int64_t k = 0; k <= kLargestRoot; ++k) {
    const int64_t x = (habit.root + k) % (kLargestRoot + 1), product = a * x;
    if (product > kLargest || product + b < 0 || product + b > kLargest) continue;
    const Line line{fmt::format("{}*{}={}: ", a, x, product),
                    {{fmt::format("{}{:+}", product, b), product + b, std::to_string(x)}}};
    if (!tell(line)) return;
  }
}

// A kind of puzzle: all there is to try, the value that is right, and the same puzzle for another.
struct Family {
  void (*lines)(const Problem&, const Habit&, Tell);
  int64_t (*wanted)(const Problem&);
  Problem (*with)(const Problem&, int64_t wanted);
  int64_t smallest;  // that may be wanted
};

constexpr Family kCountdown = {
    countdown_lines, [](const Problem& p) { return p.target; },
    [](const Problem& p, int64_t wanted) { return countdown_problem(p.numbers, wanted); },
    kSmallestTarget};

constexpr Family kLinear = {linear_lines, [](const Problem& p) { return p.numbers[2]; },
                            [](const Problem& p, int64_t wanted) {
                              const int64_t a = p.numbers[0], b = signed_term(p);
                              return Problem{fmt::format("Solve {}*x{:+}={}.", a, b, wanted),
                                             {a, p.numbers[1], wanted},
                                             (wanted - b) / a};
                            },
                            0};

std::string text_of(const Attempt& attempt, int64_t wanted) {
  return fmt::format("{}={} {}", attempt.text, attempt.value,
                     attempt.value == wanted ? "yes" : "no");
}

std::string search(const Family& family, const Problem& problem, double give_up, Draws& draws) {
  std::string thought, answer;
  const int64_t wanted = family.wanted(problem);
  size_t n_attempts = 0;
  family.lines(problem, Habit(draws), [&](const Line& line) {
    if (line.attempts.empty()) return true;
    if (!thought.empty()) thought += '\n';
    thought += line.steps;
    for (const Attempt& attempt : line.attempts) {
      if (&attempt != &line.attempts.front()) thought += ", ";
      thought += text_of(attempt, wanted);
      answer = attempt.answer;
      if (attempt.value == wanted || draws.chance(give_up) || ++n_attempts == kMostAttempts)
        return false;
    }
    return true;
  });
  return fmt::format("{}</think><answer>{}</answer>", thought, answer);
}

std::string guess(const Family& family, const Problem& problem, Draws& draws) {
  std::vector<Line> all;
  family.lines(problem, Habit(draws), [&](const Line& line) {
    if (!line.attempts.empty()) all.push_back(line);
    return true;
  });
  const Line& line = all[draws.below(all.size())];
  return fmt::format("</think><answer>{}</answer>",
                     line.attempts[draws.below(line.attempts.size())].answer);
}

// Attempts until one is right, whose result is what is wanted. Mostly few: of their marks half are
// yes. Half of the long ones have no right one: that many were wrong is no reason to see a yes.
GeneratedText drill(const Family& family, const Problem& problem, bool long_one, Draws& draws) {
  size_t n_attempts = 1;
  while (!long_one && n_attempts < kShortDrill && draws.chance(0.5)) ++n_attempts;
  if (long_one) n_attempts += draws.below(kLongDrill);
  struct Tried {
    std::string before;  // what stands between it and the attempt before
    Attempt attempt;
  };
  std::vector<Tried> tried;
  family.lines(problem, Habit(draws), [&](const Line& line) {
    const size_t all = line.attempts.size();
    if (all == 0) return true;
    const size_t most = long_one ? all : 1 + draws.below(all);
    std::string before = (tried.empty() ? "" : "\n") + line.steps;
    for (size_t a = 0; a < most && tried.size() < n_attempts; ++a) {
      tried.push_back({before, line.attempts[a]});
      before = ", ";
    }
    return tried.size() < n_attempts;
  });
  // The last that may be wanted; without one nothing is right.
  const auto may_be = [&](const Tried& t) {
    if (t.attempt.value < family.smallest) return false;
    return !held_out(family.with(problem, t.attempt.value).numbers);
  };
  const auto last = std::find_if(tried.rbegin(), tried.rend(), may_be);
  int64_t wanted = last == tried.rend() ? family.wanted(problem) : last->attempt.value;
  if (long_one && draws.chance(kNothingRight)) {
    const auto makes = [&](const Tried& t) { return t.attempt.value == wanted; };
    do {
      wanted =
          family.smallest +
          static_cast<int64_t>(draws.below(static_cast<size_t>(kLargest + 1 - family.smallest)));
    } while (std::ranges::any_of(tried, makes) || held_out(family.with(problem, wanted).numbers));
  }
  std::string text;
  for (const Tried& t : tried) {
    text += t.before + text_of(t.attempt, wanted);
    if (t.attempt.value == wanted) break;
  }
  return {family.with(problem, wanted).prompt + "\nCheck ", text};
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
    countdown_lines(countdown_problem(numbers, kLargest), {}, [&](const Line& line) {
      for (const Attempt& attempt : line.attempts)
        if (attempt.value >= kSmallestTarget) targets.push_back(attempt.value);
      return true;
    });
    if (!targets.empty()) return countdown_problem(numbers, targets[draws.below(targets.size())]);
  }
}

}  // namespace

Traces::Traces(const TraceMix& mix)
    : mix_(mix),
      countdown3_(**find_task("countdown3")),
      countdown4_(**find_task("countdown4")),
      linear_(**find_task("linear")) {}

GeneratedText Traces::text(uint64_t seed, uint64_t i) const {
  Draws draws(seed, i);
  const auto framed = [](const GeneratedText& t) {
    return GeneratedText{"<|begin|>" + t.given, t.wanted + "<|end|>"};
  };
  if (draws.chance(mix_.sums)) return framed({"", sums(draws)});
  const double kind = mix_.four + mix_.linear > 0 ? draws.unit() : 1;
  const bool linear = kind < mix_.linear, four = !linear && kind < mix_.linear + mix_.four;
  const Family& family = linear ? kLinear : kCountdown;
  const Problem problem = linear                    ? linear_.training(seed, i)
                          : four                    ? countdown4_.training(seed, i)
                          : draws.chance(mix_.wide) ? wide_problem(draws)
                                                    : countdown3_.training(seed, i);
  const bool drilled = draws.chance(mix_.drills), long_drill = draws.chance(mix_.long_drills),
             guessed = draws.chance(mix_.guesses), persistent = draws.chance(mix_.persistent);
  if (drilled) return framed(drill(family, problem, long_drill, draws));
  const double give_up = persistent ? mix_.persistent_give_up : mix_.give_up;
  return framed({problem.prompt + "\n<think>", guessed ? guess(family, problem, draws)
                                                       : search(family, problem, give_up, draws)});
}

}  // namespace r1
