// Group relative policy optimization (arXiv 2402.03300; R1 section 2.1): groups of answers to one
// prompt are drawn from the live weights, scored, and compared with one another. A rollout is cut
// into minibatches; a step takes one, and draws the next rollout when none is left. Everything
// drawn is a pure function of (seed, numbers): what waits is part of the state.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "train/learner.h"
#include "train/policy_loss.h"
#include "train/rollout.h"
#include "train/run.h"

namespace r1 {

// What an answer was worth.
struct Verdict {
  double reward = 0;  // what is optimized, before the overlong penalty
  bool right = false;
  std::vector<double> parts;  // of each reward by itself, in the order of part_names()
  std::string vote;           // of cons@n (grade/score.h)
};

// Where prompts come from and what answers to them are worth: a task of room grade, with a
// tokenizer and a chat template around it (train/questions.h), or a test's.
class Questions {
 public:
  virtual ~Questions() = default;
  virtual std::vector<std::string> part_names() const = 0;
  virtual int64_t n_held_out() const = 0;
  // Question `number` of training (any), or held-out question number < n_held_out().
  virtual Result<std::vector<int32_t>> prompt(bool held_out, int64_t number) const = 0;
  virtual Verdict judge(bool held_out, int64_t number, const Rollout& rollout) const = 0;
  virtual std::string text(std::span<const int32_t> ids) const = 0;  // for samples
};

struct GrpoOptions {
  uint64_t seed = 1;
  int64_t prompts = 32, group = 16;  // answers of a rollout: prompts * group
  int64_t minibatches = 1;           // that a rollout is cut into: prompts * group divides by it
  int64_t epochs = 1;                // passes over a rollout (mu of arXiv 2402.03300)
  PolicyObjective objective;
  // Keeps a copy of the weights at the start, and anew every so many rollouts; 0: the first stays.
  // Only where objective.kl_coef > 0.
  int64_t reference_every = 0;
  // DAPO's dynamic sampling: groups whose rewards are all alike are replaced by further prompts,
  // in at most so many rounds more. 0: off; such groups are left out in any case.
  int64_t resample_rounds = 0;
  int64_t overlong_buffer = 0;  // DAPO eq. 13: tokens before the cap in which the penalty grows
  double overlong_weight = 1;
  int64_t evaluate_problems = 0, evaluate_samples = 16;  // 0 problems: all held-out ones
  int64_t samples = 2;                                   // answers of a step to be read
};

class GrpoTrainer final : public Trainer {
 public:
  // All outlive the trainer. `model` was loaded with LoadOptions::learn.
  GrpoTrainer(const Model& model, Context& ctx, const Questions& questions,
              const GrpoOptions& options, const RolloutOptions& rollout,
              const Learner::Options& learner);

  Result<StepReport> step(int64_t step) override;
  Result<EvaluationReport> evaluate(int64_t step) override;
  SavedState state() override;
  Result<void> restore(const SavedState& state) override;
  const Model& model() const override { return model_; }

 private:
  // An answer that waits to be learned from.
  struct Lesson {
    Rollout rollout;
    double advantage = 0;
    std::vector<float> reference_logp;  // empty without a reference
  };
  struct Round;

  Result<void> draw(StepReport& report);
  Result<void> refer();
  Result<void> learn(StepReport& report, bool fresh);

  const Model& model_;
  Context& ctx_;
  const Questions& questions_;
  const GrpoOptions options_;
  const RolloutOptions rollout_;
  Learner learner_;
  std::vector<Lesson> lessons_;                // of the rollout that is being learned from
  std::deque<std::vector<int32_t>> waiting_;   // minibatches: numbers of lessons
  std::vector<std::vector<float>> reference_;  // values of every parameter
  int64_t rollouts_ = 0;                       // drawn so far
  int64_t asked_ = 0;                          // questions so far: the number of the next one
};

}  // namespace r1
