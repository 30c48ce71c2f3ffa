// What speculation gains: decoding a text that is given, once token by token and once with guesses,
// in turn. The model computes and samples as always; then the text's next token joins instead of
// the drawn one, so that the same is measured on any model, random weights too.
#pragma once

#include <functional>

#include "infer/speed.h"

namespace r1 {

struct SpeculationSpeed {
  bool repeats = false;  // the text stands in the prompt already; else nothing occurs twice
  int64_t tokens = 0;
  Spread plain, speculating;          // tokens per second
  int64_t drafted = 0, accepted = 0;  // of the last run
  double speedup() const { return speculating.median / plain.median; }
};

// Prompt lookup, on one sequence of twice `tokens`. after_run is called after each of `repeats`
// pairs of runs. Error: the keys and values do not fit into memory.
Result<SpeculationSpeed> measure_lookup(const Model& model, Context& ctx, DType kv_dtype,
                                        bool repeats_text, int64_t tokens, int repeats,
                                        const std::function<void()>& after_run);

}  // namespace r1
