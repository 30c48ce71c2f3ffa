#include "train/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "train/report_plot.h"

namespace r1 {
namespace {

RunFiles a_run() {
  RunFiles run;
  run.about = {"grpo <countdown3>", 40, 330, {{"seed", "7"}, {"machine", "a&b"}}};
  run.recipe = "[run]\nsteps = 40 # <i>\n";
  for (int64_t step = 1; step <= 40; ++step) {
    run.metrics.push_back({step,
                           1e9 + double(step),
                           {{"reward/mean", 0.02 * double(step)}, {"reward/std", 0}, {"own", 1}}});
    if (step % 10 == 0) {
      run.metrics.push_back(
          to_metrics({step, 1e9, {{"pass@1", 0.1, 0.05, 0.2}, {"cons@4", 0.2, 0.2, 0.2}}}));
      run.samples.push_back(
          {step, true, "Use <1>, 5, 8 to make 40.",
           "<think>8*5=40 y</think><answer>(8*5)</answer><script>alert(1)</script>", 1, 30, false});
    }
  }
  return run;
}

size_t count(std::string_view text, std::string_view part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) ++n;
  return n;
}

TEST(Report, HoldsFiguresSamplesWarningsRecipeAndEnvironment) {
  const std::string html = report_html(a_run());
  for (const char* part :
       {"grpo &lt;countdown3&gt;", "held-out problems", "own", "before: step 10", "during: step 30",
        "after: step 40", "all answers got the same reward", "steps = 40 # &lt;i&gt;", "a&amp;b",
        "verification", "class=\"band c0\""})
    EXPECT_NE(html.find(part), std::string::npos) << part;
}

TEST(Report, WhatAModelWroteIsText) {
  const std::string html = report_html(a_run());
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;alert(1)"), std::string::npos);
  EXPECT_EQ(count(html, "<script>"), 1u);
  EXPECT_EQ(escape_html("<a href=\"x\" id='y'>&\x1b\xFF"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;\xEF\xBF\xBD");
}

TEST(Report, AsksNothingOfTheNetwork) {
  const std::string html = report_html(a_run());
  for (const char* part : {" src=", "href=", "@import", "url("})
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  // The one address is the name of a vocabulary.
  EXPECT_EQ(count(html, "http://"), count(html, "http://www.w3.org/2000/svg"));
  EXPECT_EQ(count(html, "https://"), 0u);
}

TEST(Report, OfAnEmptyRunIsAPage) {
  const std::string html = report_html({});
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_NE(html.find("None: every figure"), std::string::npos);
}

TEST(Plot, DrawsAnyNumbers) {
  constexpr double kBig = std::numeric_limits<double>::max(),
                   kNan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::vector<double>> courses = {{1, 2, 3},      {0, 0, 0},        {kBig, -kBig},
                                                    {1e300, 1e300}, {kNan, 1, kNan},  {-5, -5},
                                                    {5e-324, 0},    {1e17, 1e17 + 16}};
  for (const auto& y : courses) {
    for (const double scale : {1.0, 9e15}) {
      std::vector<double> x;
      for (size_t i = 0; i < y.size(); ++i) x.push_back(scale * double(i));
      for (const Figure figure : {Figure::kNumber, Figure::kPercent, Figure::kCount})
        EXPECT_TRUE(plot_svg({{"s", x, y, {}, {}}}, figure).starts_with("<svg"));
    }
  }
  EXPECT_EQ(plot_svg({{"s", {1}, {kNan}, {}, {}}}, Figure::kNumber), "");
  EXPECT_EQ(plot_svg({}, Figure::kNumber), "");
}

TEST(Plot, ALongCurveIsThinned) {
  Series s{"s", {}, {}, {}, {}};
  for (int i = 0; i < 100000; ++i) {
    s.x.push_back(i);
    s.y.push_back(std::sin(i * 0.001));
  }
  EXPECT_LT(plot_svg({s}, Figure::kNumber).size(), 20000u);
}

}  // namespace
}  // namespace r1
