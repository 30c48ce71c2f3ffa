// Learning to predict: pre-training (all tokens of an example are wanted) and supervised
// fine-tuning (those of chosen turns). The loss is the mean of -log p over all wanted tokens of a
// step, whatever micro batches it is computed in.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "train/dataset.h"
#include "train/learner.h"
#include "train/run.h"

namespace r1 {

struct SftOptions {
  uint64_t seed = 1;       // of the order of examples
  int64_t sequences = 32;  // examples of a step
  int64_t tokens = 0;      // and at most so many tokens, but for a single example; 0: no limit
  int64_t evaluate = 0;    // examples of an evaluation: the first of the held-out ones
};

class SftTrainer final : public Trainer {
 public:
  // All outlive the trainer; `model` was loaded with LoadOptions::learn. held_out may be null.
  SftTrainer(const Model& model, Context& ctx, const Dataset& train, const Dataset* held_out,
             const SftOptions& options, const Learner::Options& learner);

  Result<StepReport> step(int64_t step) override;
  bool evaluates() const override { return held_out_ && options_.evaluate > 0; }
  Result<EvaluationReport> evaluate(int64_t step) override;
  SavedState state() override;
  Result<void> restore(const SavedState& state) override;
  const Model& model() const override { return model_; }

 private:
  struct Taken {
    std::vector<Example> examples;
    int64_t cut = 0, dropped = 0, cursor = 0;
  };
  Result<Taken> take() const;

  const Model& model_;
  const Dataset& train_;
  const Dataset* held_out_;
  SftOptions options_;
  int64_t micro_batch_;
  Learner learner_;
  int64_t cursor_ = 0;  // examples taken so far, dropped ones included
};

// Sequences of these lengths in such an order that filling micro batches one after another fills
// them best: best fit, the longest first. Returns their numbers.
std::vector<size_t> pack(std::span<const int64_t> lengths, int64_t micro_batch);

}  // namespace r1
