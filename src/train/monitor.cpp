#include "train/monitor.h"

#include <chrono>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "text/printable.h"
#include "train/health.h"
#include "train/live_view.h"
#include "train/report.h"
#include "train/run_files.h"

namespace r1 {

struct Monitor::Impl {
  using Clock = std::chrono::steady_clock;

  Options options;
  LiveView view;
  Health health;
  AppendFile metrics, events, samples;
  std::set<int64_t> evaluated;  // steps, by this process or one before it
  std::set<int64_t> restored;   // of those, the ones whose samples are in the files already
  bool empty;                   // the events have no head yet
  size_t drawn = 0;             // lines of the block on the screen
  Clock::time_point last = Clock::now();

  void print(std::string_view text) const {
    if (options.print && options.view != View::kNone) options.print(text);
  }
  // `above` goes on for ever, the block after it until the next one.
  void show(std::string_view above) {
    std::string out;
    if (options.view == View::kLive && drawn > 0) out = fmt::format("\x1b[{}F\x1b[0J", drawn);
    if (!above.empty()) (out += above) += '\n';
    if (options.view == View::kLive) {
      const auto block = view.block(std::max(20, (options.width ? options.width() : 80) - 1));
      for (const std::string& line : block) (out += line) += '\n';
      drawn = block.size();
    }
    if (!out.empty()) print(out);
  }
  Result<void> write(const Metrics& m) {
    if (std::exchange(empty, false)) R1_DO(events.append(tensorboard_head(m.wall_time)));
    R1_DO(events.append(tensorboard_record(m)));
    return metrics.append(to_json_line(m));
  }
};

Monitor::Monitor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Monitor::~Monitor() = default;

Result<std::unique_ptr<Monitor>> Monitor::open(Options options) {
  std::error_code failure;
  std::filesystem::create_directories(options.folder, failure);
  if (failure) return error("cannot make {}: {}", options.folder, failure.message());
  R1_TRY(const RunFiles past, rewind_run(options.folder, options.resume_step));
  const auto path = [&](std::string_view file) {
    return (std::filesystem::path(options.folder) / file).string();
  };
  RunAbout about = {options.title, options.total_steps, options.max_length, options.environment};
  R1_DO(write_file(path(kAboutFile), to_json(about)));
  R1_TRY(AppendFile metrics, AppendFile::open(path(kMetricsFile)));
  R1_TRY(AppendFile events, AppendFile::open(path(kEventsFile)));
  R1_TRY(AppendFile samples, AppendFile::open(path(kSamplesFile)));

  Health health(options.max_length);
  std::set<int64_t> evaluated;
  for (const Metrics& m : past.metrics) {
    if (is_evaluation(m)) {
      evaluated.insert(m.step);
    } else {
      health.step(m);  // what was told before is not told again
    }
  }
  const int64_t done = options.resume_step;
  return std::unique_ptr<Monitor>(new Monitor(
      std::make_unique<Impl>(Impl{.options = std::move(options),
                                  .view = LiveView(std::move(about), done, past.metrics),
                                  .health = std::move(health),
                                  .metrics = std::move(metrics),
                                  .events = std::move(events),
                                  .samples = std::move(samples),
                                  .evaluated = evaluated,
                                  .restored = evaluated,
                                  .empty = past.metrics.empty()})));
}

Result<void> Monitor::step(const Metrics& metrics) {
  Impl& m = *impl_;
  R1_DO(m.write(metrics));
  const auto now = Impl::Clock::now();
  m.view.step(metrics, std::chrono::duration<double>(now - std::exchange(m.last, now)).count());
  std::string above;
  if (m.options.view == View::kPlain) above = m.view.step_line();
  for (const Warning& w : m.health.step(metrics)) {
    if (!above.empty()) above += '\n';
    above += warning_text(w);
  }
  m.show(above);
  return {};
}

Result<void> Monitor::evaluation(const Evaluation& evaluation) {
  Impl& m = *impl_;
  if (!m.evaluated.insert(evaluation.step).second) return {};  // before an interruption
  const Metrics metrics = to_metrics(evaluation);
  R1_DO(m.write(metrics));
  m.view.evaluation(metrics);
  m.last = Impl::Clock::now();  // the next step does not pay for it
  m.show(m.view.evaluation_line());
  return {};
}

Result<void> Monitor::sample(const RunSample& sample) {
  Impl& m = *impl_;
  if (sample.held_out && m.restored.contains(sample.step)) return {};
  R1_DO(m.samples.append(to_json_line(sample)));
  m.view.sample(sample);
  if (m.options.view == View::kLive) m.show("");
  return {};
}

void Monitor::note(std::string_view text) { impl_->show(printable(text)); }

Result<void> Monitor::finish() {
  impl_->drawn = 0;
  R1_TRY(const std::string report, write_report(impl_->options.folder));
  return {};
}

}  // namespace r1
