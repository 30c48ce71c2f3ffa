// The loop that every kind of training shares, and what a kind must be able to do. A trainer is a
// pure function of its recipe and its state: everything drawn is drawn by (seed, numbers), so that
// an interrupted run that goes on ends with the same bits as one that was not.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/error.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/monitor.h"

namespace r1 {

class Model;
struct Recipe;

struct StepReport {
  Metrics metrics;  // step and wall_time are filled in by the loop
  std::vector<RunSample> samples;
};

struct EvaluationReport {
  Evaluation evaluation;  // step and wall_time are filled in by the loop
  std::vector<RunSample> samples;
  double score = 0;  // by which the best checkpoints are kept: more is better
};

class Trainer {
 public:
  virtual ~Trainer() = default;

  // One optimizer step, or one step of GRPO; steps are 1, 2, ... without gaps. After an error
  // the weights are as before the step; the error names the tensor and the batch that did it.
  virtual Result<StepReport> step(int64_t step) = 0;

  // On data that is never trained on; after `step` steps. Changes nothing that a step reads.
  virtual bool evaluates() const { return true; }  // the recipe names such data
  virtual Result<EvaluationReport> evaluate(int64_t step) = 0;

  // All that a run needs to go on, borrowed until the next call: tensors "model/NAME" of every
  // parameter, "adamw_m/NAME" and "adamw_v/NAME" of those that learn by gradient, and a trainer's
  // own; values "data.cursor", ... What the loop itself keeps ("run.step", "run.seconds",
  // "run.best", "run.recipe") it adds.
  virtual SavedState state() = 0;
  // Names, shapes and types must be those of state(); the error says which is not. After an error
  // the trainer is of no more use.
  virtual Result<void> restore(const SavedState& state) = 0;

  virtual const Model& model() const = 0;
};

// Why a run ended.
enum class RunEnd : uint8_t { kSteps, kMinutes, kInterrupted };

struct RunResult {
  RunEnd end = RunEnd::kSteps;
  int64_t step = 0;    // done, earlier runs of the same folder included
  double seconds = 0;  // of all runs of the folder
  double best = 0;     // score of the best evaluation; 0 where there was none
};

// Steps until recipe.run.steps or recipe.run.minutes (of all runs of the folder together), from
// the newest good checkpoint of `checkpoints` on, which a changed recipe is refused for
// (check_same_run). Evaluates before the first step, every evaluate.every steps and at the end;
// saves every checkpoint.every steps or checkpoint.minutes, at the end, and when `interrupted`
// (asked between steps) says so. Every error of a step is told with the last good checkpoint, which
// it leaves intact. `view`: what a monitor shows; its folder and numbers are filled in here.
Result<RunResult> run(const Recipe& recipe, Trainer& trainer, CheckpointStore& checkpoints,
                      Monitor::Options view, const std::function<bool()>& interrupted);

}  // namespace r1
