#include "train/health.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "train/known_metrics.h"

namespace r1 {
namespace {

constexpr size_t kWindow = 10;  // steps, where one step says too little

// The past as the rules see it: of each figure the newest values, last the newest. Steps that do
// not have a figure (an update between two rollouts has no reward) do not count for it.
class Past {
 public:
  Past(const HealthPast& values, int64_t max_length, const HealthBest& best)
      : values_(values), max_length_(max_length), best_(best) {}

  // The mean of `n` values, `skip` values ago; none where there are not that many.
  std::optional<double> mean(std::string_view name, size_t n, size_t skip = 0) const {
    const auto it = values_.find(name);
    if (it == values_.end() || it->second.size() < n + skip) return std::nullopt;
    const auto part = std::span(it->second).subspan(it->second.size() - n - skip, n);
    return std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(n);
  }
  std::optional<double> now(std::string_view name) const { return mean(name, 1); }

  int64_t max_length() const { return max_length_; }
  const HealthBest& best() const { return best_; }

 private:
  const HealthPast& values_;
  int64_t max_length_;
  const HealthBest& best_;
};

// The value that is not healthy, or nothing.
using Seen = std::optional<double>;
template <class Unhealthy>
Seen if_unhealthy(Seen value, Unhealthy unhealthy) {
  return value && unhealthy(*value) ? value : std::nullopt;
}

struct Rule {
  Symptom symptom;
  Figure figure;
  Seen (*seen)(const Past& past);
};

Seen shorter(const Past& past) {
  return if_unhealthy(past.mean("length/mean", kWindow),
                      [&](double now) { return now < 0.6 * past.best().length; });
}

Seen near_limit(const Past& past) {
  const auto before = past.mean("length/mean", kWindow, kWindow);
  return if_unhealthy(past.mean("length/mean", kWindow), [&](double now) {
    return before && past.max_length() > 0 && now > 1.05 * *before &&
           now > 0.7 * static_cast<double>(past.max_length());
  });
}

Seen reward_lost(const Past& past) {
  const double best = past.best().reward;
  return if_unhealthy(past.mean("reward/mean", kWindow),
                      [&](double now) { return best > 0.05 && now < 0.7 * best; });
}

Seen exploding(const Past& past) {
  const auto before = past.mean("gradient_norm", kWindow, 1);
  return if_unhealthy(past.now("gradient_norm"),
                      [&](double now) { return before && now > 10 * *before && now > 1; });
}

constexpr Rule kRules[] = {
    {{"mismatch", "sampling and training disagree",
      "A token had another log-probability when it was sampled than when it was trained: the step "
      "is not on-policy. By the design this never happens.",
      "Stop, keep the folder, and report it as a bug of r1."},
     Figure::kNumber,
     [](const Past& p) {
       return if_unhealthy(p.now("mismatch"), [](double v) { return v != 0; });
     }},
    {{"reward-std", "no signal: all answers got the same reward",
      "With no difference between answers the step taught nothing.",
      "If the reward is 0: easier problems, more answers a group, a longer limit, or more "
      "pre-training. If it is 1: the task is solved, take a harder one."},
     Figure::kNumber,
     [](const Past& p) {
       return p.now("reward/std") == 0 ? p.now("reward/mean") : std::nullopt;  // which one
     }},
    {{"groups", "at most 20 % of the groups have a signal",
      "Groups whose answers are all right or all wrong are thrown away: most of the work is lost.",
      "More answers a group; dynamic sampling (DAPO); problems nearer to what the model can do."},
     Figure::kPercent,
     [](const Past& p) {
       return if_unhealthy(p.mean("groups/signal", 5), [](double v) { return v <= 0.2; });
     }},
    {{"entropy-collapse", "entropy has collapsed (below 0.01)",
      "The policy says nearly the same every time: groups lose their signal and learning ends.",
      "Go back to an earlier checkpoint with a lower learning rate, a higher clip_high "
      "(clip-higher, DAPO), or KL to a reference."},
     Figure::kNumber,
     [](const Past& p) {
       return if_unhealthy(p.mean("entropy", 5), [](double v) { return v < 0.01; });
     }},
    {{"entropy-low", "entropy is low (below 0.05)",
      "The policy explores little; it may be on its way to a collapse.",
      "Watch the groups with signal; raise clip_high or lower the learning rate if they fall."},
     Figure::kNumber,
     [](const Past& p) {
       return if_unhealthy(p.mean("entropy", 5), [](double v) { return v >= 0.01 && v < 0.05; });
     }},
    {{"entropy-high", "entropy is high (above 0.5)",
      "The policy is undecided: usual at the beginning and of small models, later a sign that it "
      "drifts into noise.",
      "If it goes on rising: a lower learning rate, a lower clip_high, KL to a reference."},
     Figure::kNumber,
     [](const Past& p) {
       return if_unhealthy(p.mean("entropy", 5), [](double v) { return v > 0.5; });
     }},
    {{"kl", "KL to the reference is 0.5 or more",
      "The policy is far from the reference: rewards may be gamed, other abilities lost.",
      "Read samples; a larger kl_coef, a lower learning rate, or a fresh reference."},
     Figure::kNumber,
     [](const Past& p) {
       return if_unhealthy(p.mean("kl", 5), [](double v) { return v >= 0.5; });
     }},
    {{"capped", "30 % or more of the answers are cut off",
      "Thoughts that run into the limit earn nothing, whatever they would have found.",
      "A higher limit, or the overlong penalty (DAPO); read samples for loops."},
     Figure::kPercent,
     [](const Past& p) {
       return if_unhealthy(p.mean("length/capped", 5), [](double v) { return v >= 0.3; });
     }},
    {{"length-climbs", "answers grow towards the limit",
      "Length that climbs without end may be a way to game the reward, or a loop.",
      "Read samples; a higher limit, the overlong penalty, or a loss per token (Dr. GRPO, DAPO)."},
     Figure::kNumber,
     near_limit},
    {{"length-falls", "answers became much shorter",
      "Thoughts shrink to guesses: the usual collapse, where a blind guess pays more than an "
      "unreliable search.",
      "A lower learning rate; pre-training that makes verification reliable; go back to an earlier "
      "checkpoint."},
     Figure::kNumber,
     shorter},
    {{"reward-lost", "the reward has fallen below 70 % of its best",
      "A late collapse: the policy unlearns what it had.",
      "Go on from the best checkpoint with a lower learning rate."},
     Figure::kNumber,
     reward_lost},
    {{"gradient", "the gradient norm is ten times what it was",
      "One batch pulls much harder than those before.",
      "Clipping holds it for now; if it repeats: a lower learning rate, and read that step's "
      "samples."},
     Figure::kNumber,
     exploding},
};

}  // namespace

std::span<const Symptom> symptoms() {
  static const std::vector<Symptom> all = [] {
    std::vector<Symptom> list;
    for (const Rule& rule : kRules) list.push_back(rule.symptom);
    return list;
  }();
  return all;
}

std::vector<Warning> Health::step(const Metrics& metrics) {
  for (const auto& [name, value] : metrics.values) {
    if (!std::isfinite(value)) continue;
    auto& values = past_[name];
    values.push_back(value);
    if (values.size() > 2 * kWindow) values.erase(values.begin());
  }
  states_.resize(std::size(kRules));
  const Past past(past_, max_length_, best_);
  best_.length = std::max(best_.length, past.mean("length/mean", kWindow, kWindow).value_or(0));
  best_.reward = std::max(best_.reward, past.mean("reward/mean", kWindow, kWindow).value_or(0));
  std::vector<Warning> begun;
  for (size_t i = 0; i < std::size(kRules); ++i) {
    State& state = states_[i];
    const Seen value = kRules[i].seen(past);
    if (!value) {
      if (++state.calm >= kCalm) state.active = false;
      continue;
    }
    state.calm = 0;
    if (std::exchange(state.active, true)) continue;
    begun.push_back({&symptoms()[i], metrics.step, format_figure(*value, kRules[i].figure)});
  }
  return begun;
}

}  // namespace r1
