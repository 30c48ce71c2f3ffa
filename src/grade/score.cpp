#include "grade/score.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string_view>

#include "base/error.h"
#include "base/rng.h"

namespace r1 {
namespace {

constexpr int kResamples = 10000;
constexpr double kTail = 0.025;
constexpr uint64_t kSeed = 1;

// The mean of each statistic, given by its values of all problems, with its interval. All are
// resampled by the same draws.
std::vector<Estimate> estimates(const std::vector<std::vector<double>>& statistics) {
  const size_t n = statistics[0].size();
  std::vector<std::vector<double>> means(statistics.size(), std::vector<double>(kResamples));
  std::vector<size_t> drawn(n);
  for (uint64_t i = 0; i < kResamples; ++i) {
    for (size_t j = 0; j < n; ++j)
      drawn[j] = static_cast<size_t>(uniform(kSeed, i, j) * static_cast<double>(n));
    for (size_t s = 0; s < statistics.size(); ++s) {
      double total = 0;
      for (const size_t j : drawn) total += statistics[s][j];
      means[s][i] = total / static_cast<double>(n);
    }
  }
  std::vector<Estimate> result;
  for (size_t s = 0; s < statistics.size(); ++s) {
    const auto& values = statistics[s];
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(n);
    const auto percentile = [&](double share) {
      const auto at = means[s].begin() + static_cast<std::ptrdiff_t>(share * (kResamples - 1));
      std::nth_element(means[s].begin(), at, means[s].end());
      return *at;
    };
    Estimate e = {mean, percentile(kTail), percentile(1 - kTail)};
    if (std::ranges::all_of(values, [&](double v) { return v == values[0]; })) {
      const double edge = std::pow(kTail, 1 / static_cast<double>(n));  // Clopper and Pearson
      e.low = values[0] == 1 ? edge : 0;
      e.high = values[0] == 0 ? 1 - edge : 1;
    }
    result.push_back(e);
  }
  return result;
}

// The chance that a fair draw among the votes with most answers is right.
double majority(std::span<const Graded> answers) {
  struct Vote {
    int64_t answers = 0;
    bool right = false;
  };
  std::map<std::string_view, Vote> votes;
  int64_t most = 0;
  for (const Graded& g : answers) {
    if (g.vote.empty()) continue;
    Vote& vote = votes[g.vote];
    vote.right |= g.right;
    most = std::max(most, ++vote.answers);
  }
  double winners = 0, right = 0;
  for (const auto& [text, vote] : votes) {
    if (vote.answers < most) continue;
    ++winners;
    right += vote.right;
  }
  return winners > 0 ? right / winners : 0;
}

}  // namespace

double pass_at_k(int64_t n, int64_t right, int64_t k) {
  double none = 1;  // C(n - right, k) / C(n, k), as a product
  for (int64_t i = 0; i < k; ++i)
    none *= static_cast<double>(std::max<int64_t>(0, n - right - i)) / static_cast<double>(n - i);
  return 1 - none;
}

Score score(std::span<const Graded> answers, int64_t samples) {
  const auto n = static_cast<size_t>(samples);
  R1_CHECK(samples > 0 && !answers.empty() && answers.size() % n == 0);
  Score score;
  score.problems = std::ssize(answers) / samples;
  score.samples = samples;

  std::vector<int64_t> right;  // answers of each problem
  std::vector<std::vector<double>> statistics(1);
  for (size_t i = 0; i < answers.size(); i += n) {
    const auto of_problem = answers.subspan(i, n);
    right.push_back(std::ranges::count_if(of_problem, &Graded::right));
    statistics[0].push_back(majority(of_problem));
  }
  for (int64_t k = 1;; k = std::min(2 * k, samples)) {
    score.pass.push_back({k, {}});
    auto& values = statistics.emplace_back();
    for (const int64_t count : right) values.push_back(pass_at_k(samples, count, k));
    if (k == samples) break;
  }
  const auto intervals = estimates(statistics);
  score.cons_n = intervals[0];
  for (size_t i = 0; i < score.pass.size(); ++i) score.pass[i].share = intervals[i + 1];

  for (const Graded& g : answers) {
    score.mean_tokens += static_cast<double>(g.tokens);
    score.capped += g.capped;
    score.unanswered += g.vote.empty();
  }
  for (double* of_all : {&score.mean_tokens, &score.capped, &score.unanswered})
    *of_all /= static_cast<double>(answers.size());
  return score;
}

}  // namespace r1
