// Group relative policy optimization (arXiv 2402.03300; R1 section 2.1): groups of answers to one
// question are drawn from the live weights, scored, and compared with one another. A rollout is cut
// into minibatches; a step takes one, and draws the next rollout when none is left. Everything
// drawn is a pure function of (seed, numbers): what waits is part of the state.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "infer/rollout.h"
#include "train/learner.h"
#include "train/policy_loss.h"
#include "train/run.h"

namespace r1 {

// One of the questions of training, or a held-out one.
struct Question {
  bool held_out = false;
  int64_t number = 0;
};

// What an answer was worth.
struct Verdict {
  double reward = 0;
  bool right = false;
  std::vector<double> parts;  // each reward by itself, in the order of parts()
  std::string vote;           // of cons@n (grade/score.h)
};

// Where questions come from and what answers to them are worth: a task of room grade with a
// tokenizer and a chat template around it (train/questions.h), or a test's.
class Questions {
 public:
  virtual ~Questions() = default;
  virtual std::vector<std::string> parts() const = 0;  // names of the rewards
  virtual int64_t n_held_out() const = 0;              // their numbers are below it
  virtual Result<std::vector<int32_t>> prompt(Question question) const = 0;
  virtual Verdict judge(Question question, std::span<const int32_t> answer) const = 0;
  // For people to read.
  virtual std::string text(Question question) const = 0;
  virtual std::string text(std::span<const int32_t> answer) const = 0;
};

struct GrpoOptions {
  uint64_t seed = 1;
  int64_t prompts = 32, group = 16;  // answers of a rollout: prompts * group
  int64_t minibatches = 1;           // that a rollout is cut into
  int64_t epochs = 1;                // passes over a rollout (mu of arXiv 2402.03300)
  PolicyObjective objective;
  // Where objective.kl_coef > 0 the weights of the start are kept as the reference; the first
  // rollout so many steps later makes its own the reference. 0: never.
  int64_t reference_every = 0;
  // DAPO's dynamic sampling: further questions take the place of groups whose rewards are all
  // alike, in at most so many more draws. 0: off. Such groups teach nothing and are left out
  // anyway.
  int64_t resample_rounds = 0;
  int64_t overlong_buffer = 0;  // tokens before the cap in which the penalty grows (DAPO eq. 13)
  double overlong_weight = 1;
  int64_t evaluate_questions = 0;  // held-out ones, at most; 0: all
  int64_t evaluate_samples = 16;   // answers to each
  int64_t samples = 2;             // answers of a step or an evaluation that are shown
};

class GrpoTrainer final : public Trainer {
 public:
  // All outlive the trainer. `model` was loaded with LoadOptions::learn.
  GrpoTrainer(const Model& model, Context& ctx, const Questions& questions,
              const GrpoOptions& options, const RolloutOptions& rollout,
              const Learner::Options& learner);

  // An error's weights are as before, and the minibatch is the next one still.
  Result<StepReport> step(int64_t step) override;
  bool evaluates() const override { return questions_.n_held_out() > 0; }
  // Names: pass@1, cons@n, pass@n, greedy, length, capped. The score is pass@1.
  Result<EvaluationReport> evaluate(int64_t step) override;
  SavedState state() override;
  Result<void> restore(const SavedState& state) override;
  const Model& model() const override { return model_; }

 private:
  // An answer to learn from.
  struct Lesson {
    int64_t question = 0;  // of training
    Rollout rollout;
    float advantage = 0;
    std::vector<float> reference_logp;  // empty without a reference
  };
  struct Drawn;  // what a rollout is summed up from

  bool refers() const { return options_.objective.kl_coef > 0; }
  int64_t n_minibatches() const;
  std::vector<size_t> minibatch(int64_t number) const;
  Result<void> draw(int64_t step, StepReport& report);
  Result<void> draw_round(int64_t n_questions, Drawn& drawn);
  void summarize(const Drawn& drawn, StepReport& report) const;
  Result<void> refer(int64_t step);
  void swap_reference();
  Result<void> learn(StepReport& report, bool fresh);
  std::string asked_in(int64_t minibatch) const;
  Result<std::vector<Rollout>> answers_to(std::span<const Question> questions, int64_t n,
                                          float temperature) const;

  const Model& model_;
  Context& ctx_;
  const Questions& questions_;
  const GrpoOptions options_;
  const RolloutOptions rollout_;
  Learner learner_;
  std::vector<std::vector<float>> reference_;  // values of every parameter
  std::vector<Lesson> lessons_;                // of the rollout that is being learned from
  int64_t next_ = 0;                           // minibatch of it
  int64_t reference_step_ = 1;                 // whose weights the reference has
  int64_t rollouts_ = 0, asked_ = 0;           // so far; the next question's number

  struct Flat {  // what state() lends
    std::vector<int32_t> questions, ids, shape;
    std::vector<float> logp, reference_logp, advantages;
  };
  Flat flat_;
};

}  // namespace r1
