// What speculation gains: decoding a text that is given, once token by token and once with guesses,
// in turn. The model computes and samples as always; then the text's next token joins instead of
// the drawn one, so that the same is measured on any model, random weights too.
#pragma once

#include <functional>
#include <memory>

#include "infer/speculation.h"
#include "infer/speed.h"

namespace r1 {

struct SpeculationCase {
  bool repeats = false;  // the text stands in the prompt already; else nothing occurs twice
  // Of guesses that are computed, the share that is made right: what untrained weights would gain
  // if they guessed so well. Below 0: guesses are left as they are, which no given text bears out.
  double held = -1;
  int64_t tokens = 0;
};

struct SpeculationSpeed {
  SpeculationCase measured;
  Spread plain, speculating;          // tokens per second
  int64_t drafted = 0, accepted = 0;  // of the last run
  double speedup() const { return speculating.median / plain.median; }
};

// Makes who guesses; pages: what a cache of keys and values must have.
using MakeSpeculator = std::function<Result<std::unique_ptr<Speculator>>(int32_t pages)>;

// On one sequence of twice c.tokens. after_run is called after each of `repeats` pairs of runs.
// Error: the keys and values do not fit into memory.
Result<SpeculationSpeed> measure_speculation(const Model& model, Context& ctx, DType kv_dtype,
                                             const SpeculationCase& c, const MakeSpeculator& make,
                                             int repeats, const std::function<void()>& after_run);

}  // namespace r1
