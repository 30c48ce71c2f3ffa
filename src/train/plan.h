// What a run would do and cost, before it does it: the data read through, and some real
// steps measured. `r1 train --dry-run` prints it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "text/tokenizer.h"
#include "train/dataset.h"
#include "train/recipe.h"
#include "train/run.h"
#include "train/setup.h"

namespace r1 {

// Examples as they come out of the template and the tokenizer.
struct DataSummary {
  int64_t size = 0, read = 0;  // examples of an epoch (0: no end), and those read for this
  int64_t tokens = 0, wanted = 0, longest = 0;  // of those read that are learned from
  int64_t cut = 0, dropped = 0;
  int64_t without_end = 0;  // whose wanted tokens hold none that ends a turn
};
// Reads the first `most` examples of the order under `seed`. An example that cannot be read is an
// error.
Result<DataSummary> summarize(const Dataset& data, const Tokenizer* tokenizer, uint64_t seed,
                              int64_t most);

struct PlanCost {
  double step_seconds = 0, evaluation_seconds = 0;
  int64_t steps = 0;  // measured
  double tokens = 0;  // of the last one
  // Bytes: the model as loaded; its gradients and moments, and what the trainer keeps beside; the
  // peak of this process, which has done what a run does. The rest of it is activations, keys and
  // values, and the files' mapped pages.
  uint64_t model = 0, state = 0, peak = 0;
  uint64_t checkpoint = 0;  // of one, on disk
};
// Before the trainer is made: bytes resident. Its makers tell what of them is the model.
uint64_t resident_bytes();
uint64_t peak_resident_bytes();  // of this process so far

// Makes steps for some seconds, at least one, and, where the trainer evaluates, one evaluation. The
// trainer's weights have then changed: it is of no more use. `model`: resident_bytes() before the
// trainer was made.
Result<PlanCost> measure(Trainer& trainer, uint64_t model);

// Seconds of a whole run; 0 steps: unknown, its minutes alone.
double forecast_seconds(const Recipe& recipe, const PlanCost& cost, bool evaluates);

// Whether the micro batches of a run fit, before one is tried: forward and backward of a few tokens
// are measured, and `tokens` would take as many times more. An error says what they would need,
// what there is, and how many tokens fit.
Result<void> check_micro_batch(const Recipe& recipe, const TrainedModel& trained, int64_t tokens);

// Gradients and moments must fit beside the weights: an error names what is needed and what there
// is. Before anything is allocated.
Result<void> check_memory(const Recipe& recipe, const Model& model);

}  // namespace r1
