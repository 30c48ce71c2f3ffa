// What a run reports, step by step: one JSON object a line, and TensorBoard's event files (records
// of tensorflow/core/util/event.proto in the TFRecord framing).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1 {

// Names the view, the warnings and the report know; a run gives those it has, and any others:
//   loss  lr  gradient_norm  tokens_per_second  step_seconds
//   reward/mean  reward/std (of all answers of the step)  reward/NAME (the mean of one reward)
//   groups/signal (share of groups whose rewards differ)
//   length/mean  length/max (tokens an answer)  length/capped (share cut off at the limit)
//   entropy (mean, nats a token)  kl (mean k3 to the reference)  clip_share (of tokens)
//   mismatch (largest |logp of sampling - logp of training|: 0 by law 1)
//   behaviour/verification  behaviour/backtracking  behaviour/attempts (mean an answer:
//   grade/behaviour.h)
//   eval/NAME, eval/NAME/low, eval/NAME/high (of an evaluation: monitor.h)
// Shares are 0 ... 1.
struct Metrics {
  int64_t step = 0;
  double wall_time = 0;                                // seconds since 1970
  std::vector<std::pair<std::string, double>> values;  // "reward/mean" -> 0.5, in order of display
};

// {"step":3,"time":...,"reward/mean":0.5}; values that are not finite become null.
std::string to_json_line(const Metrics& metrics);

// The bytes of a TensorBoard event file's head, and of one step's record behind it.
std::string tensorboard_head(double wall_time);
std::string tensorboard_record(const Metrics& metrics);

// CRC-32C (Castagnoli) and its TFRecord mask.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace r1
