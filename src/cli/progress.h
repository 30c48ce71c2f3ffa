// A progress bar on standard error for whatever takes long. Nothing is shown before one second has
// passed, nor where standard error is no terminal; update() is cheap enough for an inner loop over
// files or layers. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/terminal.h"

namespace r1 {

enum class ProgressUnit { kBytes, kCount };

class Progress {
 public:
  // total 0: unknown; then only the amount and the rate are shown.
  Progress(std::string label, uint64_t total, ProgressUnit unit = ProgressUnit::kBytes);
  ~Progress();  // clears an unfinished bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(uint64_t done);  // redraws at most ten times a second
  void finish();               // the last line stays: label, total, time

 private:
  using Clock = std::chrono::steady_clock;

  std::string label_;
  uint64_t total_, done_ = 0;
  ProgressUnit unit_;
  bool enabled_, shown_ = false;
  Clock::time_point start_, drawn_;
};

// The line itself, at most `width` columns: "weights  45 % ━━━━━     1.20 GiB of 2.67 GiB  310
// MiB/s  5 s left".
std::string progress_line(const std::string& label, uint64_t done, uint64_t total,
                          ProgressUnit unit, double seconds, int width);

}  // namespace r1
