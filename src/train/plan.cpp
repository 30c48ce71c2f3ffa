#include "train/plan.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/clock.h"
#include "base/units.h"
#include "infer/memory.h"
#include "model/model.h"
#include "train/setup.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

// Of steps measured: until one of these is reached. Steps differ in the lengths of their sequences,
// and memory grows until the largest has been seen.
constexpr double kSeconds = 5;
constexpr int64_t kSteps = 40;

}  // namespace

uint64_t resident_bytes() {
  long total = 0, resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  const int n = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return n == 2 ? static_cast<uint64_t>(resident) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))
                : 0;
}

uint64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

Result<DataSummary> summarize(const Dataset& data, const Tokenizer* tokenizer, uint64_t seed,
                              int64_t most) {
  DataSummary s;
  s.size = data.size();
  s.read = s.size > 0 ? std::min(most, s.size) : most;
  for (int64_t i = 0; i < s.read; ++i) {
    R1_TRY(const Example e, data.example(s.size > 0 ? shuffled(seed, 0, s.size, i) : i, 0));
    s.cut += e.cut && !e.empty();
    s.dropped += e.empty();
    if (e.empty()) continue;
    s.tokens += std::ssize(e.ids);
    s.longest = std::max(s.longest, std::ssize(e.ids));
    bool ends = !tokenizer;
    for (size_t j = 0; j < e.ids.size(); ++j) {
      if (!e.wanted[j]) continue;
      ++s.wanted;
      ends = ends || std::ranges::count(tokenizer->end_ids(), e.ids[j]) > 0;
    }
    s.without_end += !ends;
  }
  return s;
}

Result<PlanCost> measure(Trainer& trainer, uint64_t model) {
  PlanCost cost;
  cost.model = model;
  const uint64_t made = resident_bytes();
  cost.state = made - std::min(made, model);
  const auto begin = Clock::now();
  do {
    const auto start = Clock::now();
    R1_TRY(const StepReport report, trainer.step(++cost.steps));
    cost.step_seconds = seconds_since(start);
    for (const auto& [name, value] : report.metrics.values) {
      if (name == "tokens") cost.tokens = value;
    }
  } while (seconds_since(begin) < kSeconds && cost.steps < kSteps);
  if (cost.steps > 1) cost.step_seconds = seconds_since(begin) / static_cast<double>(cost.steps);
  if (trainer.evaluates()) {
    const auto start = Clock::now();
    R1_TRY(const EvaluationReport evaluation, trainer.evaluate(cost.steps));
    cost.evaluation_seconds = seconds_since(start);
  }
  const SavedState state = trainer.state();
  for (const TensorInfo& t : state.tensors) cost.checkpoint += t.bytes.size();
  cost.peak = peak_resident_bytes();
  return cost;
}

double forecast_seconds(const Recipe& recipe, const PlanCost& cost, bool evaluates) {
  const auto steps = static_cast<double>(recipe.run.steps);
  const int64_t every = recipe.evaluate.every;
  const auto evaluations =
      static_cast<double>(evaluates ? 2 + (every > 0 ? (recipe.run.steps - 1) / every : 0) : 0);
  const double seconds = steps * cost.step_seconds + evaluations * cost.evaluation_seconds;
  const double limit = recipe.run.minutes * 60;
  if (recipe.run.steps == 0) return limit;
  return limit > 0 ? std::min(limit, seconds) : seconds;
}

Result<void> check_micro_batch(const Recipe& recipe, const TrainedModel& trained, int64_t tokens) {
  constexpr int64_t kFew = 64, kMore = 320;
  if (tokens <= kMore) return {};
  const Model& model = *trained.model;
  // Memory of its own, which it gives back; no gradients of weights, which are counted elsewhere.
  Context ctx(trained.ctx->isa(), trained.ctx->n_threads());
  Learner::Options options = learner_options(recipe);
  options.tuning = [](const ModelParameter&) { return Tuning{.frozen = true}; };
  Learner learner(model, ctx, options);
  const auto grown = [&](int64_t n) -> Result<uint64_t> {
    std::vector<int32_t> ids(static_cast<size_t>(n) + 1);
    for (size_t i = 0; i < ids.size(); ++i)
      ids[i] = static_cast<int32_t>(static_cast<int64_t>(i) % model.config().vocab_size);
    const TrainSequence sequence{ids};
    const uint64_t before = resident_bytes();
    R1_DO(learner.accumulate({&sequence, 1}, [](size_t, auto, std::span<float> gradient) {
      std::ranges::fill(gradient, 0.0f);
    }));
    const uint64_t after = resident_bytes();
    return after - std::min(before, after);
  };
  R1_TRY(const uint64_t few, grown(kFew));  // and what a forward maps of the file
  (void)few;
  R1_TRY(const uint64_t more, grown(kMore));
  const double each = static_cast<double>(more) / kMore;
  const auto needed = static_cast<uint64_t>(each * static_cast<double>(tokens));
  R1_TRY(const uint64_t free, available_memory());
  if (needed < free) return {};
  return error(
      "a micro batch of {} tokens would need about {}, and {} are free: batch.micro_tokens = {} "
      "would fit; model.recompute = true needs less for each token",
      format_grouped(static_cast<uint64_t>(tokens)), format_bytes(needed), format_bytes(free),
      static_cast<int64_t>(0.8 * static_cast<double>(free) / each) / 64 * 64);
}

Result<void> check_memory(const Recipe& recipe, const Model& model) {
  const Learner::Options options = learner_options(recipe);
  uint64_t needed = 0;
  for (const ModelParameter& p : model.parameters()) {
    if (p.by_gradient && !options.tuning(p).frozen)
      needed += 3 * sizeof(float) * static_cast<uint64_t>(p.values.size());
  }
  R1_TRY(const uint64_t free, available_memory());
  if (needed < free) return {};
  return error(
      "gradients and moments need {}, and {} are free: freeze parameters (optimizer.group.frozen), "
      "or take a smaller model",
      format_bytes(needed), format_bytes(free));
}

}  // namespace r1
