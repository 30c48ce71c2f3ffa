#include "train/training_speed.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "train/learner.h"

namespace r1 {
namespace {}  // namespace

Result<TrainingSpeed> training_speed(const Model& model, Context& ctx, const TrainingCase& c,
                                     int repeats, const std::function<void()>& after_run) {
  // Any ids do: speed does not depend on them. One more, as the last is only predicted.
  std::vector<int32_t> ids(static_cast<size_t>(c.tokens() + c.sequences));
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>(i * 7919 % static_cast<size_t>(model.config().vocab_size));
  std::vector<TrainSequence> batch;
  for (int64_t s = 0; s < c.sequences; ++s) {
    batch.push_back({std::span(ids).subspan(static_cast<size_t>(s * (c.length + 1)),
                                            static_cast<size_t>(c.length + 1))});
  }
  Learner::Options options;
  options.adamw.lr = 1e-5;
  Learner learner(model, ctx, options);
  const auto n = static_cast<float>(c.tokens());
  const auto mean_loss = [&](size_t, std::span<const float>, std::span<float> gradient) {
    std::ranges::fill(gradient, -1 / n);
  };
  std::vector<double> rates, forward, gradient, optimizer;
  for (int i = 0; i <= repeats; ++i) {
    auto start = std::chrono::steady_clock::now();
    R1_DO(learner.log_probabilities(batch));
    const double of_forward = seconds_since(start);
    start = std::chrono::steady_clock::now();
    R1_DO(learner.accumulate(batch, mean_loss));
    const double of_gradient = seconds_since(start);
    R1_DO(learner.step());
    const double all = seconds_since(start);
    if (i == 0) continue;  // to warm up
    rates.push_back(static_cast<double>(c.tokens()) / all);
    forward.push_back(of_forward);
    gradient.push_back(of_gradient);
    optimizer.push_back(all - of_gradient);
    if (after_run) after_run();
  }
  return TrainingSpeed{.measured = c,
                       .tokens_per_second = spread(std::move(rates)),
                       .forward_seconds = spread(std::move(forward)).median,
                       .gradient_seconds = spread(std::move(gradient)).median,
                       .optimizer_seconds = spread(std::move(optimizer)).median};
}

}  // namespace r1
