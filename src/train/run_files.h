// What a run leaves in its folder, read back: by a run that goes on, the live view and the report.
// The files are outside bytes: anybody may have edited them, a kill may have cut a line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "train/metrics.h"
#include "train/monitor.h"

namespace r1 {

constexpr std::string_view kMetricsFile = "metrics.jsonl", kSamplesFile = "samples.jsonl",
                           kEventsFile = "events.out.tfevents.r1", kAboutFile = "about.json",
                           kReportFile = "report.html";

// An evaluation as a line of metrics.jsonl: "eval/pass@1", "eval/pass@1/low", ".../high".
Metrics to_metrics(const Evaluation& evaluation);
bool is_evaluation(const Metrics& metrics);

// {"step":3,"held_out":true,"reward":1,"tokens":96,"capped":false,"prompt":"...","completion":
// "..."}. Bytes that are no UTF-8 become U+FFFD.
std::string to_json_line(const RunSample& sample);

// One line, without its end. Errors: no JSON object, no step, a value of another type. A null
// becomes NaN, names other than these are ignored in samples.
Result<Metrics> parse_metrics(std::string_view line);
Result<RunSample> parse_sample(std::string_view line);

// What does not change during a run.
struct RunAbout {
  std::string title;
  int64_t total_steps = 0, max_length = 0;
  std::vector<std::pair<std::string, std::string>> environment;  // "seed" -> "1", for the report
};
std::string to_json(const RunAbout& about);
Result<RunAbout> parse_about(std::string_view text);

struct RunFiles {
  RunAbout about;
  std::vector<Metrics> metrics;  // steps and evaluations in the order written
  std::vector<RunSample> samples;
  std::string recipe;         // the text of recipe.toml; empty: there is none
  int64_t damaged_lines = 0;  // of metrics and samples, left out
};

// Lines that cannot be read are counted and left out. Error: the folder has no metrics.jsonl.
Result<RunFiles> read_run(const std::string& folder);

// Cuts off all beyond `step`, and lines that cannot be read; at 0 everything goes. Each file is
// replaced whole; the events follow the metrics. Held-out samples of an evaluation that is not in
// the metrics go too: it will be made again. Returns what is left.
Result<RunFiles> rewind_run(const std::string& folder, int64_t step);

}  // namespace r1
