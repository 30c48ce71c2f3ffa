// Many answers at once, for reinforcement and for evaluation: through the batcher, in this process,
// on the weights as they are. By law 1 the log-probabilities said here of a model that learns are
// those of the training forward, bit for bit: nothing has to be corrected for.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/error.h"
#include "model/model.h"

namespace r1 {

struct RolloutOptions {
  int64_t max_tokens = 256;   // of an answer, its end token included
  int64_t max_running = 512;  // answers drawn at the same time
  float temperature = 1;      // 0: the most likely token each time
  float top_p = 1;            // 1: off
  int32_t top_k = 0;          // 0: off
  int32_t vocab = 0;          // ids that may be drawn are below; those above are padding rows
  std::vector<int32_t> ends;  // ids that end an answer
  DType kv_dtype = DType::kF32;
  // Answers that have ended, and tokens drawn; called by the thread that draws. May be empty.
  std::function<void(int64_t answers, int64_t tokens)> progress = {};
};

// A prompt and the seed of each of its answers, which share its keys and values.
struct RolloutPrompt {
  std::vector<int32_t> ids;
  std::vector<uint64_t> seeds;
};

// One answer.
struct Rollout {
  std::vector<int32_t> ids;  // prompt and answer
  int64_t first = 0;         // of the answer
  std::vector<float> logp;   // of each of its tokens, at temperature 1: op log_probability
  bool capped = false;       // it was cut off at max_tokens

  std::span<const int32_t> answer() const {
    return std::span(ids).subspan(static_cast<size_t>(first));
  }
};

// The answers to prompts[0] in the order of its seeds, then those to prompts[1] ... An answer
// depends on its prompt, its seed and the weights alone. Pages of keys and values (F32 in training)
// are held during the call only. Errors: a prompt that is empty or holds ids the model
// does not have, weights that have overflowed, no memory.
Result<std::vector<Rollout>> roll_out(const Model& model, Context& ctx,
                                      const RolloutOptions& options,
                                      std::span<const RolloutPrompt> prompts);

}  // namespace r1
