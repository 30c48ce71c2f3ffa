// How fast a model learns on this machine: whole steps of a Learner (forward with tape, backward,
// AdamW), and the forward alone beside them.
#pragma once

#include <cstdint>
#include <functional>

#include "base/error.h"
#include "infer/speed.h"
#include "model/model.h"
#include "tensor/context.h"

namespace r1 {

struct TrainingCase {
  int64_t sequences = 64, length = 128;  // every token but the first of each is predicted

  int64_t tokens() const { return sequences * length; }
};

struct TrainingSpeed {
  TrainingCase measured;
  Spread tokens_per_second;  // of sequences * length tokens a step
  // Medians of what a step is made of: the same forward without a tape; forward and backward; the
  // optimizer.
  double forward_seconds = 0, gradient_seconds = 0, optimizer_seconds = 0;
};

// The model was loaded with LoadOptions::learn, and is changed. One step to warm up, then
// `repeats`; after_run is called after each. Errors: the keys and values do not fit into memory; a
// gradient that is not finite.
Result<TrainingSpeed> training_speed(const Model& model, Context& ctx, const TrainingCase& c,
                                     int repeats, const std::function<void()>& after_run);

}  // namespace r1
