// How many parameters a checkpoint has: what `r1 show` says of a model and `r1 fit` reckons with.
#pragma once

#include "base/error.h"
#include "format/model_shape.h"
#include "format/weight_file.h"

namespace r1 {

// All parameters, and those that work on one token: all but the routed experts that were not
// chosen. A tied head counts once; block scales, rotary tables and multi-token-prediction layers do
// not count.
struct ParameterCount {
  uint64_t total = 0, active = 0;
};

// From the tensors' shapes; where there are none, from config.json (llama, qwen2, qwen3,
// deepseek_v2, deepseek_v3).
Result<ParameterCount> count_parameters(const WeightFile& file);
ParameterCount count_parameters(const ModelShape& shape);

}  // namespace r1
