// What a run reports, step by step: one JSON object a line, and TensorBoard's event files (records
// of tensorflow/core/util/event.proto in the TFRecord framing).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace r1 {

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
