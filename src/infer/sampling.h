// From logits to a token: penalties, bias, temperature, top-k, top-p, min-p, then one draw of the
// counter-based generator keyed by (seed, position): the same seed gives the same text whatever
// else is running (law 1).
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "infer/grammar/token_mask.h"
#include "kernels/cpu.h"

namespace r1 {

struct SamplingParams {
  float temperature = 0.6f;  // 0: the most likely token, lowest id on ties; >= 0
  int32_t top_k = 0;         // 0: off
  float top_p = 0.95f;       // (0, 1]; 1: off
  float min_p = 0.0f;        // [0, 1]; relative to the most likely
  float repetition_penalty =
      1.0f;  // > 0; CTRL (Keskar et al. 2019): divides positive logits, multiplies negative
  float presence_penalty = 0.0f,
        frequency_penalty = 0.0f;  // OpenAI: subtracted, on generated tokens
  int32_t penalty_last_n = 64;     // how far repetition_penalty looks back; -1: all
  std::vector<std::pair<int32_t, float>> logit_bias;
  uint64_t seed = 0;

  Result<void> check() const;  // names the parameter, the value and the range
};

struct TokenLogprob {
  int32_t id;
  float logprob;
};

struct Sampled {
  int32_t id;
  float logprob;                  // of the id under softmax(logits), before any sampler
  std::vector<TokenLogprob> top;  // the n_top most likely, by the same
  bool numbers = true;            // of all logits, of which none was NaN
};

// logits [vocab] are the model's own, those of padding rows already cut off: every id of the span
// may be drawn. `prompt` and `generated` feed the penalties. position: index of the new token in
// its sequence. n_top < 0: no log-probabilities (logprob is 0), which saves a pass over the
// vocabulary. Each selection sees what the one before it left: top-k, then top-p of the mass that
// is left, then min-p; ties go to the lower id. NaN is never drawn, infinities count as the largest
// finite numbers; where no logit is a number the choice is 0, of log-probability NaN or less. isa:
// whose kernels run; as a logit, a draw is one function on one instruction set. mask: the ids that
// may be drawn, at least one; null: all.
Sampled sample(std::span<const float> logits, const SamplingParams& params,
               std::span<const int32_t> prompt, std::span<const int32_t> generated,
               int64_t position, int n_top = 0, Isa isa = Isa::kRef,
               const TokenMask* mask = nullptr);

}  // namespace r1
