#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "base/units.h"
#include "grade/behaviour.h"
#include "train/health.h"
#include "train/known_metrics.h"
#include "train/report_page.h"
#include "train/report_plot.h"

namespace r1 {
namespace {

constexpr size_t kPrompts = 8;        // shown side by side
constexpr size_t kOtherSamples = 60;  // of training steps, spread over the run

using Curves = std::map<std::string, Series, std::less<>>;  // by metric

// Every figure's course. Bounds of evaluations become bands.
Curves courses(const std::vector<Metrics>& metrics) {
  Curves curves;
  for (const Metrics& m : metrics) {
    for (const auto& [name, value] : m.values) {
      const std::string_view n = name;
      const bool low = n.ends_with("/low"), high = n.ends_with("/high");
      Series& s = curves[std::string(n.substr(0, low || high ? n.rfind('/') : n.size()))];
      if (low || high) {
        auto& bound = low ? s.low : s.high;
        bound.resize(s.y.size(), std::nan(""));
        if (!bound.empty()) bound.back() = value;
        continue;
      }
      s.x.push_back(static_cast<double>(m.step));
      s.y.push_back(value);
    }
  }
  for (auto& [name, s] : curves) {
    s.name = name;
    for (auto* bound : {&s.low, &s.high})
      if (!s.low.empty() || !s.high.empty()) bound->resize(s.y.size(), std::nan(""));
  }
  std::erase_if(curves, [](const auto& curve) { return curve.second.x.empty(); });
  return curves;
}

// Means of the behaviours of the samples of each step, held-out ones where there are any.
void add_behaviours(Curves& curves, const std::vector<RunSample>& samples) {
  if (curves.contains("behaviour/verification")) return;
  const bool held_out = std::ranges::any_of(samples, &RunSample::held_out);
  struct Sum {
    double verification = 0, backtracking = 0, attempts = 0, n = 0;
  };
  std::map<int64_t, Sum> steps;
  for (const RunSample& s : samples) {
    if (s.held_out != held_out) continue;
    const Behaviours b = count_behaviours(s.completion);
    Sum& sum = steps[s.step];
    sum.verification += static_cast<double>(b.verification);
    sum.backtracking += static_cast<double>(b.backtracking);
    sum.attempts += static_cast<double>(b.attempts);
    ++sum.n;
  }
  const auto add = [&](const char* name, double Sum::*of) {
    Series s{.name = name, .x = {}, .y = {}, .low = {}, .high = {}};
    for (const auto& [step, sum] : steps) {
      s.x.push_back(static_cast<double>(step));
      s.y.push_back(sum.*of / sum.n);
    }
    if (!s.x.empty()) curves[name] = std::move(s);
  };
  add("behaviour/verification", &Sum::verification);
  add("behaviour/backtracking", &Sum::backtracking);
  add("behaviour/attempts", &Sum::attempts);
}

std::string card(std::string_view title, std::string_view value, std::string_view meaning,
                 const std::vector<Series>& series, Figure figure, std::string_view kind = "") {
  const std::string svg = plot_svg(series, figure);
  if (svg.empty()) return "";
  return fmt::format(
      "<section class=\"card {}\"><h3>{}</h3><p class=\"big\">{}</p>{}<p class=\"reading\"></p>"
      "<p class=\"soft\">{}</p></section>\n",
      kind, escape_html(title), escape_html(value), svg, escape_html(meaning));
}

std::string newest(const Series& s, Figure figure) {
  const auto it = std::find_if(s.y.rbegin(), s.y.rend(), [](double v) { return std::isfinite(v); });
  return it == s.y.rend() ? "–" : format_figure(*it, figure);
}

// All curves: shares of evaluations in one frame, then those of the table in its order, then the
// others.
std::string plots(const Curves& curves) {
  std::string html = "<div class=\"grid-of\">";
  std::set<std::string, std::less<>> done;
  std::vector<Series> shares;
  const auto take = [&](const std::string& name, const Series& s) {
    if (!name.starts_with("eval/") || name.find('@') == std::string::npos) return;
    shares.push_back(s);
    shares.back().name = name.substr(5);
    done.insert(name);
  };
  if (const auto it = curves.find("eval/pass@1"); it != curves.end()) take(it->first, it->second);
  for (const auto& [name, s] : curves)
    if (!done.contains(name)) take(name, s);
  if (!shares.empty()) {
    html += card("held-out problems", newest(shares[0], Figure::kPercent),
                 "Problems that are never trained on; bands are 95 % intervals over problems.",
                 shares, Figure::kPercent, "first");
  }
  const auto add = [&](const std::string& name, const Series& s) {
    const KnownMetric* known = find_metric(name);
    const Figure figure = figure_of(name);
    html += card(title_of(name), newest(s, figure), known ? known->meaning : "", {s}, figure);
  };
  for (const KnownMetric& m : known_metrics()) {
    const auto it = curves.find(m.name);
    if (it != curves.end() && done.insert(it->first).second) add(it->first, it->second);
  }
  for (const auto& [name, s] : curves)
    if (!done.contains(name)) add(name, s);
  return html + "</div>\n";
}

// Thought and answer in their styles.
std::string completion_html(std::string_view text) {
  constexpr std::string_view kClose = "</think>";
  const size_t end = text.find(kClose);
  if (end == std::string_view::npos) return escape_html(text);
  return fmt::format("<span class=\"thought\">{}</span><span class=\"answer\">{}</span>",
                     escape_html(text.substr(0, end + kClose.size())),
                     escape_html(text.substr(end + kClose.size())));
}

std::string sample_html(const RunSample& s, std::string_view heading) {
  const Behaviours b = count_behaviours(s.completion);
  return fmt::format(
      "<div class=\"sample {}\"><strong>{}</strong> <span class=\"soft\">reward {} · {} tokens{} · "
      "{} verifications · {} backtracks · {} attempts</span><pre>{}</pre></div>",
      s.reward >= 1 ? "right" : "wrong", escape_html(heading),
      format_figure(s.reward, Figure::kNumber), s.tokens, s.capped ? " (cut off)" : "",
      b.verification, b.backtracking, b.attempts, completion_html(s.completion));
}

// Answers to one held-out problem at the first, a middle and the last evaluation.
std::string side_by_side(const std::vector<RunSample>& samples) {
  std::map<std::string_view, std::map<int64_t, const RunSample*>> prompts;
  std::vector<std::string_view> order;
  for (const RunSample& s : samples) {
    if (!s.held_out) continue;
    if (!prompts.contains(s.prompt)) order.push_back(s.prompt);
    prompts[s.prompt].try_emplace(s.step, &s);
  }
  std::ranges::stable_sort(order, [&](std::string_view a, std::string_view b) {
    return prompts[a].size() > prompts[b].size();
  });
  if (order.size() > kPrompts) order.resize(kPrompts);
  std::string html;
  for (const std::string_view prompt : order) {
    std::vector<const RunSample*> course;
    for (const auto& [step, sample] : prompts[prompt]) course.push_back(sample);
    if (course.size() > 3) course = {course.front(), course[course.size() / 2], course.back()};
    html += fmt::format("<section class=\"card\"><h3>{}</h3><div class=\"samples\">",
                        escape_html(prompt));
    for (size_t i = 0; i < course.size(); ++i) {
      const char* when = i == 0 ? "before" : i + 1 == course.size() ? "after" : "during";
      html += sample_html(*course[i], fmt::format("{}: step {}", when, course[i]->step));
    }
    html += "</div></section>\n";
  }
  return html.empty() ? html : "<h2>The same problems, before, during and after</h2>" + html;
}

std::string training_samples(const std::vector<RunSample>& samples) {
  std::vector<const RunSample*> of_training;
  for (const RunSample& s : samples)
    if (!s.held_out) of_training.push_back(&s);
  if (of_training.empty()) return "";
  const size_t n = std::min(kOtherSamples, of_training.size());
  std::string html = fmt::format("<details><summary>Answers in training: {} of {}</summary>", n,
                                 of_training.size());
  for (size_t i = 0; i < n; ++i) {
    const RunSample& s = *of_training[i * of_training.size() / n];
    html += fmt::format("<section class=\"card\"><h3>{}</h3>{}</section>\n", escape_html(s.prompt),
                        sample_html(s, fmt::format("step {}", s.step)));
  }
  return html + "</details>\n";
}

std::string warnings(const RunFiles& run) {
  Health health(run.about.max_length);
  std::string html;
  for (const Metrics& m : run.metrics) {
    if (is_evaluation(m)) continue;
    for (const Warning& w : health.step(m)) {
      html += fmt::format(
          "<div class=\"warning\"><strong>Step {}: {}: {}</strong><p>{}</p><p>Try: {}</p></div>\n",
          w.step, escape_html(w.symptom->title), escape_html(w.value),
          escape_html(w.symptom->meaning), escape_html(w.symptom->advice));
    }
  }
  return "<h2>Warnings</h2>" +
         (html.empty() ? "<p class=\"soft\">None: every figure stayed in its range.</p>" : html);
}

std::string date(double wall_time) {
  if (!(wall_time > 0 && wall_time < 1e11)) return "–";
  const auto seconds = static_cast<std::time_t>(wall_time);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

// One sentence of figures: what became of the run.
std::string summary(const RunFiles& run, const Curves& curves) {
  int64_t steps = 0;
  double begin = 0, end = 0;
  for (const Metrics& m : run.metrics) {
    steps = std::max(steps, m.step);
    if (m.wall_time > 0 && (begin == 0 || m.wall_time < begin)) begin = m.wall_time;
    end = std::max(end, m.wall_time);
  }
  std::string text = fmt::format("{} steps", steps);
  if (run.about.total_steps > 0) text += fmt::format(" of {}", run.about.total_steps);
  text += fmt::format(", begun {}", date(begin));
  if (end > begin)
    text += fmt::format(", {} from first to last figure", format_seconds(end - begin));
  for (const char* name : {"eval/pass@1", "eval/loss", "reward/mean", "length/mean", "loss"}) {
    const auto it = curves.find(name);
    if (it == curves.end() || it->second.y.size() < 2) continue;
    const Figure figure = figure_of(name);
    text +=
        fmt::format(" · {} {} → {}", title_of(name), format_figure(it->second.y.front(), figure),
                    format_figure(it->second.y.back(), figure));
  }
  return text;
}

std::string patterns() {
  std::map<std::string_view, std::string> of;
  for (const BehaviourPattern& p : behaviour_patterns()) {
    std::string& list = of[p.behaviour];
    (list += list.empty() ? "" : ", ") += escape_html(p.pattern);
  }
  std::string html = "<details><summary>How behaviours are counted</summary><table>";
  for (const auto& [behaviour, list] : of)
    html += fmt::format("<tr><td>{}</td><td><code>{}</code></td></tr>", behaviour, list);
  return html +
         "</table><p class=\"soft\"># is a number, _ a blank or nothing, ' ' any white space. "
         "Counts of words and marks show a course over time; they judge no answer.</p></details>";
}

std::string about_html(const RunFiles& run) {
  std::string html = "<h2>Recipe and environment</h2><table>";
  for (const auto& [name, value] : run.about.environment)
    html += fmt::format("<tr><td class=\"soft\">{}</td><td>{}</td></tr>", escape_html(name),
                        escape_html(value));
  html += "</table>";
  if (run.damaged_lines > 0)
    html += fmt::format("<p>{} lines of the run's files could not be read and are left out.</p>",
                        run.damaged_lines);
  if (!run.recipe.empty())
    html += fmt::format("<details open><summary>recipe.toml</summary><pre>{}</pre></details>",
                        escape_html(run.recipe));
  return html;
}

}  // namespace

std::string report_html(const RunFiles& run) {
  Curves curves = courses(run.metrics);
  add_behaviours(curves, run.samples);
  const std::string title = escape_html(run.about.title.empty() ? "A run" : run.about.title);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
      "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{}</style></head>"
      "<body>\n<h1>{}</h1><p class=\"soft\">{}</p>\n",
      title, kReportStyle, title, escape_html(summary(run, curves)));
  html += "<h2>Figures</h2>" + plots(curves);
  html += side_by_side(run.samples);
  html += training_samples(run.samples);
  html += patterns();
  html += warnings(run);
  html += about_html(run);
  html += fmt::format("<script>{}</script></body></html>\n", kReportScript);
  return html;
}

Result<std::string> write_report(const std::string& folder) {
  R1_TRY(const RunFiles run, read_run(folder));
  std::string path = (std::filesystem::path(folder) / kReportFile).string();
  R1_DO(write_file(path, report_html(run)));
  return path;
}

}  // namespace r1
