#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/units.h"

namespace r1 {

namespace {

constexpr std::chrono::seconds kQuiet{1};
constexpr std::chrono::milliseconds kRedraw{100};
constexpr int kMinBar = 8, kMaxBar = 40;

std::string amount(uint64_t n, ProgressUnit unit) {
  return unit == ProgressUnit::kBytes ? format_bytes(n) : format_grouped(n);
}

std::string bar(double share, int width) {
  const int full = static_cast<int>(share * width);
  std::string result;
  for (int i = 0; i < width; ++i) result += i < full ? "━" : " ";
  return result;
}

}  // namespace

std::string progress_line(const std::string& label, uint64_t done, uint64_t total,
                          ProgressUnit unit, double seconds, int width) {
  done = total > 0 ? std::min(done, total) : done;
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string line = printable(label);
  const auto add = [&](const std::string& part) {
    if (display_width(line) + display_width(part) <= width) line += part;
  };
  if (display_width(line) > width) return "";
  if (total > 0) add(fmt::format("  {:3.0f} %", 100 * share));
  std::string tail = "  " + amount(done, unit);
  if (total > 0) tail += " of " + amount(total, unit);
  if (rate > 0) tail += fmt::format("  {}/s", amount(static_cast<uint64_t>(rate), unit));
  if (rate > 0 && total > done)
    tail += fmt::format("  {} left", format_seconds(static_cast<double>(total - done) / rate));
  const int room = std::min(width - display_width(line) - display_width(tail) - 2, kMaxBar);
  if (total > 0 && room >= kMinBar) add("  " + bar(share, room));
  add(tail);
  return line;
}

Progress::Progress(std::string label, uint64_t total, ProgressUnit unit)
    : label_(std::move(label)),
      total_(total),
      unit_(unit),
      enabled_(terminal(STDERR_FILENO).interactive),
      start_(Clock::now()),
      drawn_(start_) {}

namespace {

// Over the line before; blanks instead of escape codes, so that any terminal will do.
void draw(const std::string& line, int width) {
  const int blanks = std::max(width - display_width(line), 0);
  fmt::print(stderr, "\r{}{:{}}", line, "", blanks);
  std::fflush(stderr);
}

}  // namespace

void Progress::update(uint64_t done) {
  done_ = done;
  if (!enabled_) return;
  const auto now = Clock::now();
  if (now - start_ < kQuiet || now - drawn_ < kRedraw) return;
  drawn_ = now;
  shown_ = true;
  const int width = terminal(STDERR_FILENO).width - 1;
  draw(progress_line(label_, done, total_, unit_,
                     std::chrono::duration<double>(now - start_).count(), width),
       width);
}

void Progress::finish() {
  if (!shown_) return;
  shown_ = false;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const uint64_t whole = total_ > 0 ? total_ : done_;
  draw(
      fmt::format("{}  {} in {}", printable(label_), amount(whole, unit_), format_seconds(seconds)),
      terminal(STDERR_FILENO).width - 1);
  fmt::print(stderr, "\n");
}

Progress::~Progress() {
  if (!shown_) return;
  draw("", terminal(STDERR_FILENO).width - 1);
  fmt::print(stderr, "\r");
}

}  // namespace r1
