// How a run looks in a terminal: a block of lines that is redrawn in place, or one line a step.
// Text only: who prints it, and where, is the monitor's business.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/health.h"
#include "train/metrics.h"
#include "train/monitor.h"
#include "train/run_files.h"

namespace r1 {

// Eight heights of blocks; more values than columns are averaged, a gap is a blank.
std::string sparkline(std::span<const double> values, int columns);

class LiveView {
 public:
  // done: steps before this process, whose figures `history` holds (in the order written).
  LiveView(RunAbout about, int64_t done, std::span<const Metrics> history);

  void step(const Metrics& metrics, double seconds);  // how long the step took
  void evaluation(const Metrics& metrics);            // to_metrics() of it
  void sample(const RunSample& sample);

  // The block: title and progress, the figures with their course, the newest sample. Lines without
  // their ends, at most `width` columns each; with escape codes for bold and dim.
  std::vector<std::string> block(int width) const;

  // "step 42 of 100   reward 0.512   length 88   ...   3.1 s   3 min 05 s left"
  std::string step_line() const;
  std::string evaluation_line() const;

 private:
  std::string progress() const;
  std::optional<double> seconds_left() const;
  void remember(const Metrics& metrics);

  RunAbout about_;
  int64_t step_;
  std::map<std::string, std::vector<double>, std::less<>> courses_;  // by metric
  std::vector<double> recent_seconds_;                               // of the newest steps
  Metrics newest_, newest_evaluation_;
  std::optional<RunSample> sample_;
};

// "warning at step 12: entropy has collapsed (below 0.01): 0.004" and its two sentences, a line
// each.
std::string warning_text(const Warning& warning);

}  // namespace r1
