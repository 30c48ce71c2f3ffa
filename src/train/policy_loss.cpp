#include "train/policy_loss.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace r1 {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"grpo", "grpo_r1", "dr_grpo",
                                                    "dapo", "gspo",    "cispo"};
constexpr std::array<PolicyObjective, 6> kObjectives = {{
    {.kl_coef = 0.04},
    {.clip_low = 10, .clip_high = 10, .kl_coef = 0.001},
    {.advantage = Advantage::kMean, .reduce = Reduce::kConstant},
    {.reduce = Reduce::kToken, .clip_high = 0.28},
    {.ratio = Ratio::kSequence, .clip_low = 3e-4, .clip_high = 4e-4},
    {.reduce = Reduce::kToken, .clip_low = 1, .clip_high = 0.28, .stop_gradient_ratio = true},
}};

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// What one answer's token weighs in the loss.
double token_weight(Reduce reduce, const LossShape& shape, size_t length) {
  switch (reduce) {
    case Reduce::kSequence:
      return 1 / static_cast<double>(shape.n_answers * length);
    case Reduce::kToken:
      return 1 / static_cast<double>(shape.n_tokens);
    case Reduce::kConstant:
      return 1 / (static_cast<double>(shape.n_answers) * static_cast<double>(shape.max_length));
  }
  return 0;
}

}  // namespace

const PolicyObjective* find_objective(std::string_view name) {
  const auto* at = std::find(kNames.begin(), kNames.end(), name);
  return at == kNames.end() ? nullptr : &kObjectives[static_cast<size_t>(at - kNames.begin())];
}

std::span<const std::string_view> objective_names() { return kNames; }

std::vector<double> advantages(std::span<const double> rewards, int group_size, Advantage kind) {
  const auto size = static_cast<size_t>(group_size);
  R1_CHECK(group_size > 0 && rewards.size() % size == 0);
  std::vector<double> result(rewards.begin(), rewards.end());
  for (size_t g = 0; g < rewards.size(); g += size) {
    const double centre = mean(rewards.subspan(g, size));
    double squares = 0;
    for (size_t i = g; i < g + size; ++i) {
      result[i] -= centre;
      squares += result[i] * result[i];
    }
    if (kind == Advantage::kMean || size == 1) continue;
    const double deviation = std::sqrt(squares / static_cast<double>(size - 1));
    for (size_t i = g; i < g + size; ++i) result[i] /= deviation + 1e-6;
  }
  return result;
}

void answer_loss(const PolicyObjective& o, const Answer& a, const LossShape& shape, LossSums& sums,
                 std::span<double> gradient) {
  const size_t length = a.logp.size();
  R1_CHECK(length > 0 && a.old_logp.size() == length && gradient.size() == length &&
           (a.reference_logp.empty() || a.reference_logp.size() == length));
  const double weight = token_weight(o.reduce, shape, length);
  const bool whole = o.ratio == Ratio::kSequence;  // one ratio an answer
  const double share = 1 / static_cast<double>(whole ? shape.n_answers * length : shape.n_tokens);
  double log_sequence = 0;
  for (size_t t = 0; t < length; ++t) log_sequence += a.logp[t] - a.old_logp[t];
  log_sequence /= static_cast<double>(length);
  for (size_t t = 0; t < length; ++t) {
    const double ratio = std::exp(whole ? log_sequence : a.logp[t] - a.old_logp[t]);
    const double clipped = std::clamp(ratio, 1 - o.clip_low, 1 + o.clip_high);
    if (o.stop_gradient_ratio) {
      sums.loss -= weight * clipped * a.advantage * a.logp[t];
      gradient[t] = -weight * clipped * a.advantage;
      sums.clipped_share += clipped != ratio ? share : 0;
    } else {
      // The smaller of the two is taken: a clip only ever takes away what an answer gains.
      const bool held = clipped * a.advantage < ratio * a.advantage;
      sums.loss -= weight * a.advantage * (held ? clipped : ratio);
      gradient[t] = held ? 0 : -weight * a.advantage * ratio;
      sums.clipped_share += held ? share : 0;
    }
    if (a.reference_logp.empty()) continue;
    const double gap = a.reference_logp[t] - a.logp[t];
    const double k3 = std::exp(gap) - gap - 1;
    sums.mean_kl += k3 / static_cast<double>(shape.n_tokens);
    sums.loss += weight * o.kl_coef * k3;
    gradient[t] += weight * o.kl_coef * (1 - std::exp(gap));
  }
}

PolicyLoss policy_loss(const PolicyObjective& o, std::span<const Answer> answers,
                       int64_t max_length) {
  PolicyLoss result;
  LossShape shape{.n_answers = answers.size(), .n_tokens = 0, .max_length = max_length};
  for (const Answer& a : answers) shape.n_tokens += a.logp.size();
  for (const Answer& a : answers) {
    answer_loss(o, a, shape, result, result.gradient.emplace_back(a.logp.size()));
  }
  return result;
}

double overlong_penalty(int64_t length, int64_t max, int64_t buffer) {
  if (length > max) return -1;
  return -std::max(0.0, static_cast<double>(length - (max - buffer)) / static_cast<double>(buffer));
}

}  // namespace r1
