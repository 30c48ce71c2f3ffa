// The files of a run, its report, CSV and Countdown problems: nothing in them may crash, and the
// report never lets a tag through.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "eval/benchmark.h"
#include "text/csv.h"
#include "train/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  r1::RunFiles run;
  for (size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    if (auto metrics = r1::parse_metrics(line)) run.metrics.push_back(*std::move(metrics));
    if (auto sample = r1::parse_sample(line)) run.samples.push_back(*std::move(sample));
    if (auto about = r1::parse_about(line)) run.about = *std::move(about);
  }
  const std::string html = r1::report_html(run);
  const size_t script = html.find("<script>");
  if (html.find("<script", script + 1) != std::string::npos) __builtin_trap();
  (void)r1::parse_csv(text);
  (void)r1::read_countdown(text);
  return 0;
}
