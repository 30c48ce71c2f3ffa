#include "infer/draft_planner.h"

#include <algorithm>
#include <queue>
#include <utility>
#include <vector>

namespace r1 {
namespace {

constexpr double kFirstRowShare = 0.1;         // of a step's fixed time, until it is measured
constexpr double kMargin = 1.2;                // by how much a row must be worth more than it costs
constexpr double kNoise = 0.1, kDrift = 0.01;  // of a step's time, and of what it depends on
constexpr double kLeastShare = 0.01;           // of a step's time
constexpr double kLearnTime = 0.2, kLearnOdds = 1.0 / 12, kLearnCommonOdds = 1.0 / 64;
constexpr double kWorstSurprise = 0.5;  // a step that took far longer was interrupted
constexpr int64_t kPlainEvery = 64;     // steps: so that both times of a step stay known
constexpr int64_t kFirstPatience = 128, kLastPatience = 1024;
constexpr int64_t kFirstTrials = 4;  // that the first odds stand for
constexpr double kFirstOdds[kDraftGrades] = {0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.9};

}  // namespace

// The first trials count for more than later ones.
void DraftPlanner::Odds::learn(bool held, double rate) {
  rate = std::max(rate, 1.0 / static_cast<double>(kFirstTrials + trials++));
  value += ((held ? 1.0 : 0.0) - value) * rate;
}

DraftPlanner::DraftPlanner() {
  for (size_t i = 0; i < kDraftGrades; ++i) odds_[i] = {.value = kFirstOdds[i]};
}

DraftPlanner::Sequence& DraftPlanner::sequence(uint64_t number) {
  const auto [it, is_new] = sequences_.try_emplace(number, Sequence{odds_, 0, kFirstPatience});
  if (is_new) {
    for (Odds& o : it->second.odds) o.trials = 0;
  }
  return it->second;
}

double DraftPlanner::cost(const Draft& draft) const {
  return static_cast<double>(draft.most) * (per_row_ + proposing_);
}

void DraftPlanner::plan(std::span<Draft> drafts, int64_t rows, int64_t most_rows) {
  struct Next {  // the id that would be guessed next for a draft
    double odds;
    size_t draft;
    bool operator<(const Next& other) const { return odds < other.odds; }
  };
  std::priority_queue<Next> queue;
  const bool plain = fixed_ <= 0 || drafted_steps_ >= kPlainEvery;
  std::vector<int64_t> limits;
  for (size_t i = 0; i < drafts.size(); ++i) {
    limits.push_back(std::exchange(drafts[i].most, 0));
    if (!plain && limits[i] > 0) queue.push({odds(drafts[i]), i});
  }
  double tokens = static_cast<double>(rows), seconds = step_seconds(rows);
  const double id_seconds = per_row_ + proposing_;
  int64_t taken = 0;
  for (; !queue.empty() && rows + taken < most_rows; ++taken) {
    const Next next = queue.top();
    queue.pop();
    if (next.odds * seconds <= kMargin * tokens * id_seconds) break;  // nor is any other worth it
    tokens += next.odds, seconds += id_seconds;
    Draft& d = drafts[next.draft];
    if (++d.most < limits[next.draft]) queue.push({next.odds * odds(d), next.draft});
  }
  drafted_steps_ = taken > 0 ? drafted_steps_ + 1 : 0;
  if (plain) return;
  // Of ids that nobody computes nothing is learnt: from time to time what is known is forgotten.
  for (size_t i = 0; i < drafts.size(); ++i) {
    if (!drafts[i].ids.empty() || limits[i] == 0) continue;
    Sequence& s = sequence(drafts[i].number);
    s.idle = drafts[i].most > 0 ? 0 : s.idle + 1;
    if (s.idle < s.patience) continue;
    const auto grade = static_cast<size_t>(drafts[i].grade);
    s.odds[grade] = {.value = kFirstOdds[grade]};
    s.idle = 0;
    s.patience = std::min(2 * s.patience, kLastPatience);
  }
}

// A Kalman filter: steps of one size tell the sum of both times alone, and how unsure each is by
// itself is remembered until a step of another size comes.
void DraftPlanner::took(int64_t rows, double seconds) {
  const auto n = static_cast<double>(rows);
  if (fixed_ <= 0) {
    fixed_ = seconds / (1 + kFirstRowShare * n);
    per_row_ = kFirstRowShare * fixed_;
    fixed_variance_ = fixed_ * fixed_, per_row_variance_ = seconds / n * seconds / n,
    covariance_ = 0;
  }
  const double expected = step_seconds(rows), noise = kNoise * expected;
  const double surprise =
      std::clamp(seconds - expected, -kWorstSurprise * expected, kWorstSurprise * expected);
  const double with_fixed =
      fixed_variance_ + n * covariance_;  // covariances with what was measured
  const double with_row = covariance_ + n * per_row_variance_;
  const double variance = with_fixed + n * with_row + noise * noise;
  fixed_ = std::max(fixed_ + with_fixed / variance * surprise, kLeastShare * expected);
  per_row_ = std::max(per_row_ + with_row / variance * surprise, kLeastShare * expected / n);
  const auto square = [](double x) { return x * x; };
  fixed_variance_ += square(kDrift * expected) - square(with_fixed) / variance;
  per_row_variance_ += square(kDrift * per_row_) - square(with_row) / variance;
  covariance_ -= with_fixed * with_row / variance;
}

void DraftPlanner::proposed(int64_t ids, double seconds) {
  if (ids == 0) return;
  const double each = seconds / static_cast<double>(ids);
  proposing_ = proposing_ > 0 ? proposing_ + (each - proposing_) * kLearnTime : each;
}

void DraftPlanner::learn(const Draft& draft, size_t known, std::span<const int32_t> said) {
  const auto grade = static_cast<size_t>(draft.grade);
  for (size_t i = known; i < std::min(draft.ids.size(), said.size()); ++i) {
    const bool held = draft.ids[i] == said[i];
    sequence(draft.number).odds[grade].learn(held, kLearnOdds);
    odds_[grade].learn(held, kLearnCommonOdds);
    if (!held) return;
  }
}

}  // namespace r1
