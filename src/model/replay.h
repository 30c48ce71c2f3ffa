// Given token sequences through a model: every token's logits, and what it would say next. The tool
// of tests, `r1 logits` and anyone who compares engines. By law 1 neither chunks nor company change
// a bit of it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/model.h"

namespace r1 {

struct ReplayOptions {
  DType kv_dtype = DType::kF32;
  int64_t chunk = 512;  // tokens of a sequence in one forward, >= 1
  bool hidden = false, experts = false, mtp = false;
  int64_t greedy = 0;  // tokens to continue each sequence by: the most likely, lowest id on ties
  std::function<void(int64_t done, int64_t total)> progress;  // tokens; may be empty
};

struct Replay {
  std::vector<float> logits;                  // [T, vocab_size]
  std::vector<std::vector<float>> hidden;     // n_layers + 1 of [T, dim] (Model::forward)
  std::vector<std::vector<int32_t>> experts;  // of each layer with experts (Trace::experts)
  // Row i guesses the token at i + 2 from those up to i + 1 [T - 1, vocab_size] (Model::draft).
  std::vector<float> mtp_logits;
  std::vector<int32_t> greedy;
};

// All sequences as one batch. Errors name an empty sequence, an id outside the vocabulary, a length
// above the context, a model that does not draft.
Result<std::vector<Replay>> replay(const Model& model, Context& ctx,
                                   const std::vector<std::vector<int32_t>>& sequences,
                                   const ReplayOptions& options);

}  // namespace r1
