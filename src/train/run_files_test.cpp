#include "train/run_files.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"

namespace r1 {
namespace {

class RunFilesTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(std::string_view file) const { return folder_ + "/" + std::string(file); }

  std::string folder_ = testing::TempDir() + "/run_files_" +
                        testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST(RunLines, MetricsComeBackAsWritten) {
  const Metrics m = {7, 1.25, {{"reward/mean", 0.1}, {"kl", std::nan("")}, {"new", -3}}};
  const auto back = parse_metrics(to_json_line(m));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->step, 7);
  EXPECT_EQ(back->wall_time, 1.25);
  ASSERT_EQ(back->values.size(), 3u);
  EXPECT_EQ(back->values[0], m.values[0]);
  EXPECT_TRUE(std::isnan(back->values[1].second));
  EXPECT_EQ(back->values[2], m.values[2]);
}

TEST(RunLines, SamplesComeBackAsWritten) {
  const RunSample s = {4,   true, "Use 1, 5", "<think>\n8 \"5\"</think>\xE2\x80\xA8 é",
                       0.5, 12,   true};
  const auto back = parse_sample(to_json_line(s));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json_line(*back), to_json_line(s));
  EXPECT_EQ(back->completion, s.completion);
  RunSample broken = s;
  broken.completion = "a\xFF";
  EXPECT_EQ(parse_sample(to_json_line(broken))->completion, "a\xEF\xBF\xBD");
}

TEST(RunLines, WhatIsNoLineIsRefused) {
  for (const char* line : {"", "[]", "{", "{}", R"({"step":-1})", R"({"step":1.5})",
                           R"({"step":1,"kl":"x"})", R"({"step":1,"time":"x"})"})
    EXPECT_FALSE(parse_metrics(line)) << line;
  for (const char* line : {"{}", R"({"step":1,"reward":"x"})", R"({"step":1,"prompt":3})"})
    EXPECT_FALSE(parse_sample(line)) << line;
}

TEST(RunLines, AnEvaluationIsMetrics) {
  const Metrics m = to_metrics({5, 2, {{"pass@1", 0.5, 0.4, 0.6}, {"greedy", 0.7, 0.7, 0.7}}});
  EXPECT_TRUE(is_evaluation(m));
  EXPECT_EQ(to_json_line(m),
            "{\"step\":5,\"time\":2.0,\"eval/pass@1\":0.5,\"eval/pass@1/low\":0.4,"
            "\"eval/pass@1/high\":0.6,\"eval/greedy\":0.7}\n");
  EXPECT_FALSE(is_evaluation({1, 0, {{"loss", 1}}}));
}

TEST_F(RunFilesTest, RewindsToAStep) {
  std::string metrics, samples;
  for (int64_t step = 1; step <= 5; ++step) {
    metrics += to_json_line({step, double(step), {{"loss", 1}}});
    if (step == 2) metrics += to_json_line(to_metrics({2, 2, {{"pass@1", 0.5, 0.5, 0.5}}}));
    samples += to_json_line(RunSample{step, false, "p", "c", 0, 1, false});
    if (step == 2 || step == 3)
      samples += to_json_line(RunSample{step, true, "h", "c", 0, 1, false});
  }
  ASSERT_TRUE(write_file(path(kMetricsFile), metrics + "{\"step\":6,\"ti"));  // cut by a kill
  ASSERT_TRUE(write_file(path(kSamplesFile), samples));
  EXPECT_EQ(read_run(folder_)->damaged_lines, 1);

  const auto left = rewind_run(folder_, 3);
  ASSERT_TRUE(left) << left.error().message;
  const auto again = read_run(folder_);
  ASSERT_TRUE(again);
  for (const RunFiles& run : {*left, *again}) {
    ASSERT_EQ(run.metrics.size(), 4u);
    EXPECT_EQ(run.metrics.back().step, 3);
    ASSERT_EQ(run.samples.size(), 4u);  // without the held-out one of the evaluation that is lost
    EXPECT_EQ(run.samples[2].prompt, "h");
  }
  EXPECT_EQ(again->damaged_lines, 0);
  std::string events = tensorboard_head(1);
  for (const Metrics& m : left->metrics) events += tensorboard_record(m);
  EXPECT_EQ(*read_file(path(kEventsFile), 1 << 20), events);

  ASSERT_TRUE(rewind_run(folder_, 0));
  EXPECT_EQ(*read_file(path(kMetricsFile), 1), "");
  EXPECT_EQ(*read_file(path(kSamplesFile), 1), "");
}

TEST_F(RunFilesTest, WhatARunIsAboutComesBack) {
  const RunAbout about = {"grpo countdown3", 100, 330, {{"seed", "1"}, {"model", "<x>"}}};
  const auto back = parse_about(to_json(about));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(to_json(*back), to_json(about));
  EXPECT_EQ(back->environment[1].second, "<x>");
}

TEST_F(RunFilesTest, AFolderWithoutARunIsNamed) {
  const auto run = read_run(folder_);
  ASSERT_FALSE(run);
  EXPECT_NE(run.error().message.find("metrics.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace r1
