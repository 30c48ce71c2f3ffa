#include "train/live_view.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/units.h"
#include "text/printable.h"
#include "train/known_metrics.h"

namespace r1 {
namespace {

constexpr std::string_view kBold = "\x1b[1m", kDim = "\x1b[2m", kReset = "\x1b[0m";
constexpr size_t kRecent = 20;  // steps by which the end is estimated
constexpr int kLabel = 13, kValue = 11, kSpark = 14, kGap = 2;
constexpr size_t kSampleLines = 8;

// Of parts in styles, cut to the columns there are.
class Line {
 public:
  explicit Line(int columns) : left_(columns) {}

  Line& add(std::string_view text, std::string_view style = {}) {
    const std::string fits = fit_width(text, left_);
    left_ -= display_width(fits);
    if (!fits.empty()) (text_ += style) += fits;
    if (!style.empty() && !fits.empty()) text_ += kReset;
    return *this;
  }
  Line& pad(std::string_view text, int columns, std::string_view style = {}) {
    const int blanks = std::max(0, columns - display_width(text));
    return add(text, style).add(std::string(static_cast<size_t>(blanks), ' '));
  }
  std::string take() { return std::move(text_); }

 private:
  int left_;
  std::string text_;
};

double value_of(const Metrics& metrics, std::string_view name) {
  for (const auto& [other, value] : metrics.values)
    if (other == name) return value;
  return std::nan("");
}

std::string shown(const Metrics& metrics, std::string_view name) {
  return format_figure(value_of(metrics, name), figure_of(name));
}

std::string bar(double share, int columns) {
  const auto full = static_cast<int>(std::clamp(share, 0.0, 1.0) * columns);
  std::string text;
  for (int i = 0; i < columns; ++i) text += i < full ? "━" : "─";
  return text;
}

bool is_bound(std::string_view name) { return name.ends_with("/low") || name.ends_with("/high"); }

// The first lines of a text and its last ones.
std::vector<std::string> excerpt(std::string_view text) {
  std::vector<std::string> lines;
  const std::string clean = printable(text);
  for (std::string_view rest = clean; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    if (end > 0) lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (lines.size() > kSampleLines) {
    const size_t half = kSampleLines / 2;
    const auto skipped = lines.size() - kSampleLines + 1;
    lines.erase(lines.begin() + half, lines.end() - (half - 1));
    lines.insert(lines.begin() + half, fmt::format("… {} lines …", skipped));
  }
  return lines;
}

}  // namespace

std::string sparkline(std::span<const double> values, int columns) {
  static constexpr std::string_view kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const size_t n = std::min(values.size(), static_cast<size_t>(std::max(columns, 0)));
  std::vector<double> means;
  for (size_t i = 0; i < n; ++i) {
    const size_t begin = i * values.size() / n, end = (i + 1) * values.size() / n;
    means.push_back(std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                    values.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
                    static_cast<double>(end - begin));
  }
  double low = INFINITY, high = -INFINITY;
  for (const double m : means) {
    if (!std::isfinite(m)) continue;
    low = std::min(low, m);
    high = std::max(high, m);
  }
  std::string text;
  for (const double m : means) {
    if (!std::isfinite(m)) {
      text += ' ';
    } else {
      const double height = high > low ? (m - low) / (high - low) : 0;
      text += kBlocks[std::min<size_t>(7, static_cast<size_t>(height * 8))];
    }
  }
  return text;
}

LiveView::LiveView(RunAbout about, int64_t done, std::span<const Metrics> history)
    : about_(std::move(about)), step_(done) {
  for (const Metrics& m : history) {
    remember(m);
    (is_evaluation(m) ? newest_evaluation_ : newest_) = m;
  }
}

void LiveView::remember(const Metrics& metrics) {
  for (const auto& [name, value] : metrics.values)
    if (!is_bound(name)) courses_[name].push_back(value);
}

void LiveView::step(const Metrics& metrics, double seconds) {
  remember(metrics);
  newest_ = metrics;
  step_ = metrics.step;
  recent_seconds_.push_back(seconds);
  if (recent_seconds_.size() > kRecent) recent_seconds_.erase(recent_seconds_.begin());
}

void LiveView::evaluation(const Metrics& metrics) {
  remember(metrics);
  newest_evaluation_ = metrics;
}

void LiveView::sample(const RunSample& sample) { sample_ = sample; }

std::optional<double> LiveView::seconds_left() const {
  if (recent_seconds_.empty() || about_.total_steps <= step_) return std::nullopt;
  const double sum = std::accumulate(recent_seconds_.begin(), recent_seconds_.end(), 0.0);
  return sum / static_cast<double>(recent_seconds_.size()) *
         static_cast<double>(about_.total_steps - step_);
}

std::string LiveView::progress() const {
  std::string text = fmt::format("step {}", step_);
  if (about_.total_steps > 0) text += fmt::format(" of {}", about_.total_steps);
  return text;
}

std::vector<std::string> LiveView::block(int width) const {
  std::vector<std::string> lines;
  Line head(width);
  head.add(printable(about_.title), kBold).add("  " + progress());
  if (about_.total_steps > 0) {
    head.add("  " + bar(static_cast<double>(step_) / static_cast<double>(about_.total_steps), 20));
  }
  if (!recent_seconds_.empty()) head.add("  " + format_seconds(recent_seconds_.back()) + " a step");
  if (const auto left = seconds_left()) head.add("  " + format_seconds(*left) + " left");
  lines.push_back(head.take());

  std::vector<const KnownMetric*> figures;
  for (const KnownMetric& m : known_metrics())
    if (!m.label.empty() && courses_.contains(m.name)) figures.push_back(&m);
  const auto cell = static_cast<size_t>(kLabel + kValue + kSpark + kGap);
  const size_t per_line = std::clamp<size_t>((static_cast<size_t>(width) + kGap) / cell, 1, 3);
  for (size_t i = 0; i < figures.size(); i += per_line) {
    Line line(width);
    for (size_t j = i; j < std::min(i + per_line, figures.size()); ++j) {
      const KnownMetric& m = *figures[j];
      const std::vector<double>& course = courses_.find(m.name)->second;
      line.pad(m.label, kLabel, kDim)
          .pad(format_figure(course.back(), m.figure), kValue)
          .pad(sparkline(course, kSpark), kSpark + kGap);
    }
    lines.push_back(line.take());
  }

  if (sample_) {
    const auto& s = *sample_;
    lines.push_back(
        Line(width)
            .add(fmt::format("{}step {}, reward {}, {} tokens{}", s.held_out ? "held out, " : "",
                             s.step, format_figure(s.reward, Figure::kNumber), s.tokens,
                             s.capped ? ", cut off" : ""),
                 kDim)
            .take());
    for (const std::string& text : excerpt(s.prompt))
      lines.push_back(Line(width).add("> " + text, kBold).take());
    for (const std::string& text : excerpt(s.completion))
      lines.push_back(Line(width).add("  " + text).take());
  }
  return lines;
}

std::string LiveView::step_line() const {
  std::string text = progress();
  for (const KnownMetric& m : known_metrics()) {
    const double value = value_of(newest_, m.name);
    if (m.label.empty() || std::isnan(value)) continue;
    text += fmt::format("   {} {}", m.label, format_figure(value, m.figure));
  }
  if (!recent_seconds_.empty()) text += "   " + format_seconds(recent_seconds_.back());
  if (const auto left = seconds_left()) text += "   " + format_seconds(*left) + " left";
  return text;
}

std::string LiveView::evaluation_line() const {
  std::string text = fmt::format("evaluation after step {}:", newest_evaluation_.step);
  for (const auto& [name, value] : newest_evaluation_.values) {
    if (is_bound(name)) continue;
    text += fmt::format("   {} {}", title_of(name), format_figure(value, figure_of(name)));
    const double low = value_of(newest_evaluation_, name + "/low");
    if (std::isnan(low)) continue;
    text += fmt::format(" ({} to {})", format_figure(low, figure_of(name)),
                        shown(newest_evaluation_, name + "/high"));
  }
  return text;
}

std::string warning_text(const Warning& w) {
  return fmt::format("warning at step {}: {}: {}\n  {}\n  try: {}", w.step, w.symptom->title,
                     w.value, w.symptom->meaning, w.symptom->advice);
}

}  // namespace r1
