#include "train/report_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/printable.h"

namespace r1 {
namespace {

constexpr double kWidth = 360, kHeight = 190;                     // of the drawing
constexpr double kLeft = 46, kRight = 8, kTop = 8, kBottom = 20;  // margins
constexpr size_t kPoints = 240;                                   // of a curve
constexpr int kColours = 6, kMarks = 12;

struct Range {
  double low = INFINITY, high = -INFINITY;

  void take(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
};

// 1, 2 or 5 times a power of ten, such that about `n` of it are the span.
double nice_step(double span, int n) {
  const double raw = span / n, power = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

// The mean of every so many points; a bucket with a gap alone stays one.
Series thinned(const Series& s) {
  const size_t n = s.x.size();
  if (n <= kPoints) return s;
  const auto mean = [](const std::vector<double>& v, size_t begin, size_t end) {
    double sum = 0;
    int count = 0;
    for (size_t i = begin; i < end; ++i) {
      if (!std::isfinite(v[i])) continue;
      sum += v[i];
      ++count;
    }
    return count > 0 ? sum / count : std::nan("");
  };
  Series out{.name = s.name, .x = {}, .y = {}, .low = {}, .high = {}};
  for (size_t i = 0; i < kPoints; ++i) {
    const size_t begin = i * n / kPoints, end = (i + 1) * n / kPoints;
    out.x.push_back(s.x[end - 1]);
    out.y.push_back(mean(s.y, begin, end));
    if (s.low.empty()) continue;
    out.low.push_back(mean(s.low, begin, end));
    out.high.push_back(mean(s.high, begin, end));
  }
  return out;
}

class Frame {
 public:
  Frame(Range x, Range y, Figure figure) : x_(x), y_(y), figure_(figure) {
    if (x_.low == x_.high) x_.high = x_.low + 1;
    if (figure == Figure::kPercent) {  // shares have natural ends
      y_.low = std::min(0.0, y_.low);
      if (y_.high > 0.5) y_.high = std::max(1.0, y_.high);
    }
    if (y_.low > 0 && y_.low < 0.5 * y_.high) y_.low = 0;
    if (y_.low == y_.high) {
      const double room = y_.low == 0 ? 1 : std::fabs(y_.low) / 2;
      y_.low -= y_.low == 0 ? 0 : room;
      y_.high += room;
    }
  }

  double x(double v) const {
    return kLeft + (v - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double y(double v) const {
    return kHeight - kBottom - (v - y_.low) / (y_.high - y_.low) * (kHeight - kTop - kBottom);
  }

  std::string axes() const {
    std::string svg;
    const double step = nice_step(y_.high - y_.low, 4);
    for (int i = 0; i < kMarks; ++i) {
      const double v = (std::ceil(y_.low / step) + i) * step;
      if (!(v <= y_.high + step * 1e-6)) break;
      const double mark = std::fabs(v) < step * 1e-6 ? 0 : v;
      svg += fmt::format(
          "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\" class=\"grid\"/>"
          "<text x=\"{}\" y=\"{:.1f}\" class=\"mark\" text-anchor=\"end\">{}</text>",
          kLeft, kWidth - kRight, y(mark), y(mark), kLeft - 4, y(mark) + 3, mark_text(mark));
    }
    const double x_step = std::max(1.0, nice_step(x_.high - x_.low, 5));
    for (int i = 0; i < kMarks; ++i) {
      const double v = (std::ceil(x_.low / x_step) + i) * x_step;
      if (!(v <= x_.high)) break;
      svg += fmt::format(
          "<text x=\"{:.1f}\" y=\"{}\" class=\"mark\" text-anchor=\"middle\">{:.0f}</text>", x(v),
          kHeight - 5, v);
    }
    return svg;
  }

 private:
  std::string mark_text(double v) const {
    if (figure_ == Figure::kPercent) return fmt::format("{:.3g} %", 100 * v);
    if (figure_ == Figure::kSeconds || v == 0) return fmt::format("{:.3g}", v);
    if (std::fabs(v) >= 1e4) return fmt::format("{:.3g}k", v / 1000);
    return fmt::format("{:.3g}", v);
  }

  Range x_, y_;
  Figure figure_;
};

// "M x y L x y ...", a new M after every gap.
std::string path_of(const Frame& frame, const Series& s) {
  std::string d;
  bool pen_down = false;
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (!std::isfinite(s.y[i])) {
      pen_down = false;
      continue;
    }
    d += fmt::format("{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', frame.x(s.x[i]), frame.y(s.y[i]));
    pen_down = true;
  }
  return d;
}

std::string band_of(const Frame& frame, const Series& s) {
  std::string there, back;
  for (size_t i = 0; i < s.low.size(); ++i) {
    if (!std::isfinite(s.low[i]) || !std::isfinite(s.high[i])) continue;
    there += fmt::format("{:.1f},{:.1f} ", frame.x(s.x[i]), frame.y(s.high[i]));
    back = fmt::format("{:.1f},{:.1f} ", frame.x(s.x[i]), frame.y(s.low[i])) + back;
  }
  return there + back;
}

// What the page's script shows under the pointer: x, position in the drawing, value as text.
std::string points_of(const Frame& frame, const Series& s, Figure figure) {
  std::string data;
  for (size_t i = 0; i < s.x.size(); ++i) {
    if (!std::isfinite(s.y[i])) continue;
    data += fmt::format("{:.1f},{:.1f},{:.0f},{};", frame.x(s.x[i]), frame.y(s.y[i]), s.x[i],
                        format_figure(s.y[i], figure));
  }
  return data;
}

}  // namespace

std::string plot_svg(const std::vector<Series>& series, Figure figure) {
  Range x, y;
  std::vector<Series> drawn;
  for (const Series& s : series) {
    drawn.push_back(thinned(s));
    const Series& t = drawn.back();
    for (size_t i = 0; i < t.x.size(); ++i) {
      if (!std::isfinite(t.y[i])) continue;
      x.take(t.x[i]);
      y.take(t.y[i]);
    }
    for (const auto* bound : {&t.low, &t.high})
      for (const double v : *bound) y.take(v);
  }
  if (x.empty()) return "";
  const Frame frame(x, y, figure);
  std::string svg =
      fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\">{}", kWidth, kHeight, frame.axes());
  for (size_t i = 0; i < drawn.size(); ++i) {
    const Series& s = drawn[i];
    const auto colour = i % kColours;
    if (!s.low.empty())
      svg += fmt::format("<polygon points=\"{}\" class=\"band c{}\"/>", band_of(frame, s), colour);
    svg += fmt::format("<path d=\"{}\" class=\"curve c{}\"/>", path_of(frame, s), colour);
    if (s.x.size() <= 30) {
      for (size_t j = 0; j < s.x.size(); ++j) {
        if (std::isfinite(s.y[j]))
          svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.2\" class=\"dot c{}\"/>",
                             frame.x(s.x[j]), frame.y(s.y[j]), colour);
      }
    }
    svg += fmt::format("<g class=\"points\" data-name=\"{}\" data-points=\"{}\"></g>",
                       escape_html(drawn.size() > 1 ? s.name : ""), points_of(frame, s, figure));
  }
  svg += "</svg>";
  if (drawn.size() > 1) {
    svg += "<p class=\"legend\">";
    for (size_t i = 0; i < drawn.size(); ++i)
      svg +=
          fmt::format("<span class=\"c{}\">{}</span> ", i % kColours, escape_html(drawn[i].name));
    svg += "</p>";
  }
  return svg;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace r1
