#include "train/monitor.h"

#include <cstdio>
#include <filesystem>

namespace r1 {

struct Monitor::Impl {
  Options options;
  std::FILE* metrics = nullptr;
  ~Impl() {
    if (metrics) std::fclose(metrics);
  }

  void show(const std::string& line) const {
    if (options.print) options.print(line + "\n");
  }
};

Monitor::Monitor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Monitor::~Monitor() = default;

Result<std::unique_ptr<Monitor>> Monitor::open(Options options) {
  auto impl = std::make_unique<Impl>();
  const std::string path = options.folder + "/metrics.jsonl";
  impl->metrics = std::fopen(path.c_str(), options.resume_step > 0 ? "a" : "w");
  if (!impl->metrics) return error("{}: cannot be written", path);
  impl->options = std::move(options);
  return std::unique_ptr<Monitor>(new Monitor(std::move(impl)));
}

Result<void> Monitor::step(const Metrics& metrics) {
  const std::string line = to_json_line(metrics);
  std::fwrite(line.data(), 1, line.size(), impl_->metrics);
  std::fflush(impl_->metrics);
  std::string shown = fmt::format("step {:>5}", metrics.step);
  for (const auto& [name, value] : metrics.values) shown += fmt::format("  {} {:.4g}", name, value);
  impl_->show(shown);
  return {};
}

Result<void> Monitor::evaluation(const Evaluation& evaluation) {
  std::string shown = fmt::format("evaluation after step {}", evaluation.step);
  for (const auto& v : evaluation.values)
    shown += fmt::format("  {} {:.4g} [{:.4g}, {:.4g}]", v.name, v.value, v.low, v.high);
  impl_->show(shown);
  return {};
}

Result<void> Monitor::sample(const RunSample& sample) {
  impl_->show(
      fmt::format("sample of step {}: {}{}", sample.step, sample.prompt, sample.completion));
  return {};
}

void Monitor::note(std::string_view text) { impl_->show(std::string(text)); }

Result<void> Monitor::finish() { return {}; }

}  // namespace r1
