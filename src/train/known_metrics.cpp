#include "train/known_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"

namespace r1 {
namespace {

using enum Figure;

constexpr KnownMetric kMetrics[] = {
    {"eval/pass@1", "held-out pass@1", "held out", kPercent,
     "Share of right answers to problems that are never trained on."},
    {"eval/loss", "held-out loss", "eval loss", kNumber,
     "Mean cross entropy (nats a token) of data that is never trained on."},
    {"reward/mean", "reward", "reward", kNumber, "Mean reward of the step's answers."},
    {"length/mean", "answer length", "length", kNumber, "Mean tokens of an answer."},
    {"loss", "loss", "loss", kNumber, "What the optimizer lowers; in pre-training nats a token."},
    {"behaviour/verification", "verification", "verified", kNumber,
     "Signs of verification an answer, by its words and marks."},
    {"behaviour/backtracking", "backtracking", "backtracked", kNumber,
     "Signs of backtracking an answer: a path is given up."},
    {"behaviour/attempts", "attempts", "attempts", kNumber, "Equations written down an answer."},
    {"entropy", "entropy", "entropy", kNumber,
     "Mean entropy of the next token, in nats: how undecided the policy is. 0.05 to 0.5 is "
     "usual."},
    {"kl", "KL to the reference", "KL", kNumber,
     "Mean k3 estimate of the distance to the reference policy, nats a token. Healthy below 0.5."},
    {"groups/signal", "groups with signal", "with signal", kPercent,
     "Share of groups whose answers got different rewards: only these teach."},
    {"reward/std", "spread of rewards", "", kNumber,
     "Standard deviation of the rewards of all answers of the step."},
    {"clip_share", "clipped tokens", "clipped", kPercent,
     "Share of tokens whose probability ratio the objective held back."},
    {"length/capped", "answers cut off", "cut off", kPercent,
     "Share of answers that ran into the length limit. Healthy below 30 %."},
    {"length/max", "longest answer", "", kCount, "Tokens of the step's longest answer."},
    {"gradient_norm", "gradient norm", "gradient", kNumber,
     "Euclidean norm of all gradients, before clipping."},
    {"mismatch", "sampling against training", "mismatch", kNumber,
     "Largest difference of a token's log-probability when sampled and when trained: 0, by "
     "construction."},
    {"tokens_per_second", "tokens a second", "tokens/s", kCount, "Of the whole step."},
    {"step_seconds", "time of a step", "", kSeconds, "From step to step."},
    {"lr", "learning rate", "", kNumber, "Of this step, by the schedule."},
};

}  // namespace

std::span<const KnownMetric> known_metrics() { return kMetrics; }

const KnownMetric* find_metric(std::string_view name) {
  const auto it = std::ranges::find(kMetrics, name, &KnownMetric::name);
  return it == std::end(kMetrics) ? nullptr : it;
}

std::string title_of(std::string_view name) {
  const KnownMetric* metric = find_metric(name);
  if (metric) return std::string(metric->title);
  constexpr std::string_view kEval = "eval/";
  return name.starts_with(kEval) ? fmt::format("held-out {}", name.substr(kEval.size()))
                                 : std::string(name);
}

Figure figure_of(std::string_view name) {
  if (const KnownMetric* metric = find_metric(name)) return metric->figure;
  for (const std::string_view share : {"@", "greedy", "accuracy", "capped", "unanswered", "share"})
    if (name.find(share) != std::string_view::npos) return kPercent;
  return kNumber;
}

std::string format_figure(double value, Figure figure) {
  if (!std::isfinite(value)) return "–";
  switch (figure) {
    case kPercent:
      return fmt::format("{:.{}f} %", 100 * value, value < 0.0995 ? 1 : 0);
    case kCount:
      if (value >= 0 && value < 1e18) return format_grouped(static_cast<uint64_t>(value + 0.5));
      break;
    case kSeconds:
      return format_seconds(value);
    case kNumber:
      break;
  }
  if (value == 0) return "0";
  const double size = std::fabs(value);
  if (size < 1e-3 || size >= 1e6) return fmt::format("{:.2e}", value);
  return size < 1 ? fmt::format("{:.3f}", value) : fmt::format("{:.4g}", value);
}

}  // namespace r1
