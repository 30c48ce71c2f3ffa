#include "train/live_view.h"

#include <gtest/gtest.h>

#include <cmath>

#include "text/printable.h"
#include "train/known_metrics.h"

namespace r1 {
namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// Without escape codes.
std::string plain(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else {
      out += text[i];
    }
  }
  return out;
}

TEST(Figures, AreWrittenForPeople) {
  using enum Figure;
  EXPECT_EQ(format_figure(0.5123, kNumber), "0.512");
  EXPECT_EQ(format_figure(88.25, kNumber), "88.25");
  EXPECT_EQ(format_figure(0, kNumber), "0");
  EXPECT_EQ(format_figure(-0.25, kNumber), "-0.250");
  EXPECT_EQ(format_figure(2.5e-5, kNumber), "2.50e-05");
  EXPECT_EQ(format_figure(0.634, kPercent), "63 %");
  EXPECT_EQ(format_figure(0.042, kPercent), "4.2 %");
  EXPECT_EQ(format_figure(8412.3, kCount), "8,412");
  EXPECT_EQ(format_figure(std::nan(""), kNumber), "–");
  EXPECT_EQ(figure_of("eval/cons@16"), kPercent);
  EXPECT_EQ(title_of("eval/cons@16"), "held-out cons@16");
}

TEST(Sparkline, ShowsTheCourse) {
  const std::vector<double> ramp = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(sparkline(ramp, 8), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(sparkline(ramp, 20), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(sparkline(ramp, 2), "▁█");
  EXPECT_EQ(sparkline(std::vector<double>(3, 5.0), 8), "▁▁▁");
  EXPECT_EQ(sparkline(std::vector<double>{1, std::nan(""), 2}, 8), "▁ █");
  EXPECT_EQ(sparkline({}, 8), "");
  EXPECT_EQ(sparkline(ramp, 0), "");
}

LiveView view_of_a_run() {
  LiveView view({"grpo countdown3", 100, 330, {}}, 0, {});
  for (int64_t step = 1; step <= 40; ++step)
    view.step({step, 0, {{"reward/mean", 0.01 * double(step)}, {"length/mean", 80}, {"own", 1}}},
              2);
  view.evaluation(to_metrics({40, 0, {{"pass@1", 0.634, 0.6, 0.67}, {"greedy", 0.7, 0.7, 0.7}}}));
  view.sample({40, true, "Use 1, 5, 8.", "<think>\x1b[2Jone\n\ntwo</think>", 1, 9, false});
  return view;
}

TEST(LiveView, TheBlockShowsFiguresProgressAndTheSample) {
  const std::string text = plain(joined(view_of_a_run().block(100)));
  for (const char* part : {"grpo countdown3  step 40 of 100", "2.0 s a step  2 min 00 s left",
                           "held out     63 %", "reward       0.400", "length       80",
                           "▁▁▂▂▃▄▄▅▅▆▇▇██", "held out, step 40, reward 1, 9 tokens",
                           "> Use 1, 5, 8.", "  <think>[2Jone\n  two</think>"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(LiveView, NoLineIsWiderThanTheTerminal) {
  LiveView view = view_of_a_run();
  view.sample({40, false, std::string(300, 'x'), std::string(300, 'y') + "\n日本", 0, 9, true});
  for (const int width : {20, 37, 79, 80, 119, 200}) {
    for (const std::string& line : view.block(width))
      EXPECT_LE(display_width(plain(line)), width) << line;
  }
}

TEST(LiveView, ALongSampleShowsItsEnds) {
  LiveView view({}, 0, {});
  std::string text;
  for (int i = 0; i < 50; ++i) text += "line" + std::to_string(i) + "\n";
  view.sample({1, false, "p", text, 0, 9, false});
  const std::string block = plain(joined(view.block(80)));
  for (const char* part : {"line0\n", "line3\n", "… 43 lines …", "line47\n", "line49\n"})
    EXPECT_NE(block.find(part), std::string::npos) << block;
  EXPECT_EQ(block.find("line4\n"), std::string::npos);
  EXPECT_LE(view.block(80).size(), 11u);
}

TEST(LiveView, OneLineAStep) {
  const LiveView view = view_of_a_run();
  EXPECT_EQ(view.step_line(),
            "step 40 of 100   reward 0.400   length 80   2.0 s   2 min 00 s left");
  EXPECT_EQ(
      view.evaluation_line(),
      "evaluation after step 40:   held-out pass@1 63 % (60 % to 67 %)   held-out greedy 70 %");
}

TEST(LiveView, GoesOnFromTheFilesOfARun) {
  const std::vector<Metrics> history = {
      {1, 0, {{"loss", 3}}}, {2, 0, {{"loss", 2}}}, to_metrics({2, 0, {{"loss", 2.5, 2.5, 2.5}}})};
  LiveView view({"pretrain", 0, 0, {}}, 2, history);
  view.step({3, 0, {{"loss", 1}}}, 1);
  const std::string text = plain(joined(view.block(80)));
  EXPECT_NE(text.find("█▅▁"), std::string::npos) << text;
  EXPECT_NE(text.find("2.5"), std::string::npos) << text;
}

}  // namespace
}  // namespace r1
