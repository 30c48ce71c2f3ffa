// How fast the batcher serves what reinforcement learning asks for: groups of requests that share a
// prompt, more of them than run at once, of different lengths, so that prompts come between
// decodes; and what it takes for itself, beside the forwards.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "model/model.h"
#include "tensor/context.h"

namespace r1 {

struct ServingCase {
  int64_t requests = 0;
  int64_t group = 16;   // that share a prompt
  int64_t running = 0;  // together, at most
  int64_t prompt = 0,
          generated = 0;  // tokens of a request; generated: on average, from half to 3/2
};

struct ServingSpeed {
  ServingCase measured;
  double seconds = 0, forward_seconds = 0;
  int64_t steps = 0, rows = 0;  // forwards, and rows of all of them
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;

  double tokens_per_second() const { return static_cast<double>(generated_tokens) / seconds; }
  // Of the time: scheduling, sampling, telling whoever asked.
  double overhead() const { return 1 - forward_seconds / seconds; }
};

// Errors: the keys and values do not fit into memory.
Result<ServingSpeed> serving_speed(const Model& model, Context& ctx, DType kv_dtype,
                                   const ServingCase& c);

}  // namespace r1
