#include "train/run.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/file.h"
#include "train/recipe.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

class Loop {
 public:
  Loop(const Recipe& recipe, Trainer& trainer, CheckpointStore& checkpoints)
      : recipe_(recipe), trainer_(trainer), checkpoints_(checkpoints) {}

  Result<void> resume() {
    R1_TRY(const auto newest, checkpoints_.load_newest());
    if (!newest) return {};
    const CheckpointEntry& entry = newest->entry;
    const SavedState& state = newest->state;
    auto restored = [&]() -> Result<void> {
      R1_TRY(const std::string kind, state.text("run.kind"));
      const auto then_kind = find_train_kind(kind);
      if (!then_kind) return error("run.kind = {}: not known", kind);
      R1_TRY(const std::string text, state.text("run.recipe"));
      R1_TRY(const Recipe then, parse_recipe(text, "its recipe", *then_kind));
      R1_DO(check_same_run(then, recipe_));
      return trainer_.restore(state);
    }();
    if (!restored)
      return std::move(restored).error().in(fmt::format("cannot go on from {}", entry.path));
    step_ = saved_ = entry.step;
    const auto seconds = state.values.find("run.seconds");
    if (seconds != state.values.end() && std::holds_alternative<double>(seconds->second))
      before_ = std::get<double>(seconds->second);
    const auto best = state.values.find("run.best");
    if (best != state.values.end() && std::holds_alternative<double>(best->second))
      best_ = std::get<double>(best->second);
    return {};
  }

  Result<RunResult> run(Monitor::Options view, const std::function<bool()>& interrupted) {
    view.folder = recipe_.run.out;
    view.total_steps = recipe_.run.steps;
    view.resume_step = step_;
    R1_TRY(monitor_, Monitor::open(std::move(view)));
    if (step_ > 0) monitor_->note(fmt::format("goes on after step {}", step_));
    if (step_ == 0 && trainer_.evaluates()) R1_DO(evaluate());
    auto end = steps(interrupted);
    if (!end) return with_last_good(std::move(end).error());
    if (*end != RunEnd::kInterrupted && trainer_.evaluates() && evaluated_ != step_)
      R1_DO(evaluate());
    if (step_ > 0 && saved_ != step_) R1_DO(save());
    R1_DO(monitor_->finish());
    return RunResult{.end = *end, .step = step_, .seconds = seconds(), .best = best_.value_or(0)};
  }

 private:
  double seconds() const { return before_ + seconds_since(start_); }

  Result<RunEnd> steps(const std::function<bool()>& interrupted) {
    const auto& [out, total, minutes, seed, threads] = recipe_.run;
    while (total == 0 || step_ < total) {
      if (minutes > 0 && seconds() >= minutes * 60) return RunEnd::kMinutes;
      if (interrupted()) return RunEnd::kInterrupted;
      R1_DO(one_step());
      if (due(recipe_.evaluate.every) && trainer_.evaluates()) R1_DO(evaluate());
      const double wait = recipe_.checkpoint.minutes * 60;
      if (due(recipe_.checkpoint.every) || (wait > 0 && seconds_since(saved_at_) >= wait))
        R1_DO(save());
    }
    return RunEnd::kSteps;
  }

  bool due(int64_t every) const { return every > 0 && step_ % every == 0; }

  Result<void> one_step() {
    R1_TRY(StepReport report, trainer_.step(step_ + 1));
    ++step_;
    report.metrics.step = step_;
    report.metrics.wall_time = now();
    R1_DO(monitor_->step(report.metrics));
    return read(report.samples);
  }

  Result<void> evaluate() {
    R1_TRY(EvaluationReport report, trainer_.evaluate(step_));
    report.evaluation.step = step_;
    report.evaluation.wall_time = now();
    evaluated_ = step_;
    score_ = report.score;
    best_ = std::max(best_.value_or(report.score), report.score);
    R1_DO(monitor_->evaluation(report.evaluation));
    return read(report.samples);
  }

  Result<void> read(std::vector<RunSample>& samples) {
    for (RunSample& sample : samples) {
      sample.step = step_;
      R1_DO(monitor_->sample(sample));
    }
    return {};
  }

  Result<void> save() {
    SavedState state = trainer_.state();
    state.values["run.kind"] = std::string(name(recipe_.kind));
    state.values["run.recipe"] = to_toml(recipe_);
    state.values["run.seconds"] = seconds();
    if (best_) state.values["run.best"] = *best_;
    const auto score = evaluated_ == step_ ? std::optional(score_) : std::nullopt;
    R1_DO(checkpoints_.save(step_, score, state));
    saved_ = step_;
    saved_at_ = Clock::now();
    monitor_->note(fmt::format("checkpoint of step {} saved", step_));
    return {};
  }

  // A step that failed leaves the checkpoints before it as they are.
  Error with_last_good(Error e) const {
    const std::string where = saved_ > 0 ? fmt::format("the checkpoint of step {} is good", saved_)
                                         : std::string("no checkpoint was saved yet");
    return error("{}; {}", e.message, where);
  }

  const Recipe& recipe_;
  Trainer& trainer_;
  CheckpointStore& checkpoints_;
  std::unique_ptr<Monitor> monitor_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point saved_at_ = Clock::now();
  double before_ = 0;  // seconds of earlier sittings
  int64_t step_ = 0, saved_ = -1, evaluated_ = -1;
  double score_ = 0;  // of the last evaluation
  std::optional<double> best_;
};

}  // namespace

Result<RunResult> run(const Recipe& recipe, Trainer& trainer, CheckpointStore& checkpoints,
                      Monitor::Options view, const std::function<bool()>& interrupted) {
  Loop loop(recipe, trainer, checkpoints);
  R1_DO(loop.resume());
  return loop.run(std::move(view), interrupted);
}

}  // namespace r1
