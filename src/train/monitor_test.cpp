#include "train/monitor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/file.h"
#include "tests/support/must.h"
#include "train/run_files.h"

namespace r1 {
namespace {

class MonitorTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Monitor> open(int64_t resume_step = 0, View view = View::kPlain) {
    return must(Monitor::open({.folder = folder_,
                               .title = "test",
                               .total_steps = 10,
                               .resume_step = resume_step,
                               .view = view,
                               .print = [this](std::string_view text) { shown_ += text; }}));
  }
  std::string text(std::string_view file) const {
    return *read_file(folder_ + "/" + std::string(file), 1 << 24);
  }
  // Everything a run writes on the way from step `first` to step `last`.
  static void go(Monitor& monitor, int64_t first, int64_t last) {
    for (int64_t step = first; step <= last; ++step) {
      const auto time = static_cast<double>(step);
      ASSERT_TRUE(monitor.step({step, time, {{"reward/mean", 0.1 * time}, {"reward/std", 0.5}}}));
      ASSERT_TRUE(monitor.sample({step, false, "p", "c", 0, 3, false}));
      if (step % 2 == 0) {
        ASSERT_TRUE(monitor.sample({step, true, "h", "c", 1, 3, false}));
        ASSERT_TRUE(monitor.evaluation({step, time, {{"pass@1", 0.5, 0.4, 0.6}}}));
      }
    }
  }

  std::string folder_ = testing::TempDir() + "/monitor_" +
                        testing::UnitTest::GetInstance()->current_test_info()->name() + "/run";
  std::string shown_;
};

constexpr std::string_view kFiles[] = {kMetricsFile, kEventsFile, kSamplesFile};

TEST_F(MonitorTest, AResumedRunLeavesTheFilesOfAnUndisturbedOne) {
  go(*open(), 1, 9);
  std::vector<std::string> undisturbed;
  for (const auto file : kFiles) undisturbed.push_back(text(file));
  for (const int64_t lost : {5, 6, 9}) {  // step reached when the process died
    go(*open(), 1, lost);
    go(*open(4), 5, 9);
    for (size_t i = 0; i < std::size(kFiles); ++i)
      EXPECT_EQ(text(kFiles[i]), undisturbed[i]) << kFiles[i] << " " << lost;
  }
}

TEST_F(MonitorTest, AnEvaluationOfTheStepResumedFromIsNotWrittenTwice) {
  go(*open(), 1, 4);
  const auto monitor = open(4);
  ASSERT_TRUE(monitor->sample({4, true, "h", "c", 1, 3, false}));
  ASSERT_TRUE(monitor->evaluation({4, 4, {{"pass@1", 0.5, 0.4, 0.6}}}));
  go(*monitor, 5, 9);
  const auto run = read_run(folder_);
  ASSERT_TRUE(run);
  EXPECT_EQ(std::ranges::count_if(run->metrics, is_evaluation), 4);
  EXPECT_EQ(std::ranges::count_if(run->samples, &RunSample::held_out), 4);
}

TEST_F(MonitorTest, AKilledProcessLosesNothingThatReturned) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto monitor = open(0, View::kNone);
    go(*monitor, 1, 7);
    char done = 1;
    (void)!write(ends[1], &done, 1);
    for (;;) pause();
  }
  char done = 0;
  ASSERT_EQ(read(ends[0], &done, 1), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  const auto run = read_run(folder_);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->metrics.size(), 7u + 3u);
  EXPECT_EQ(run->samples.size(), 7u + 3u);
  EXPECT_EQ(run->damaged_lines, 0);
}

TEST_F(MonitorTest, PlainIsOneLineAStepWithoutEscapeCodes) {
  const auto monitor = open();
  go(*monitor, 1, 2);
  monitor->note("saved \x1b[2J");
  EXPECT_EQ(shown_.find('\x1b'), std::string::npos);
  EXPECT_NE(shown_.find("step 1 of 10   reward 0.100"), std::string::npos) << shown_;
  EXPECT_NE(shown_.find("held-out pass@1 50 % (40 % to 60 %)\n"), std::string::npos) << shown_;
  EXPECT_NE(shown_.find("saved [2J\n"), std::string::npos) << shown_;
}

TEST_F(MonitorTest, TheLiveBlockIsDrawnOverItself) {
  const auto monitor = open(0, View::kLive);
  ASSERT_TRUE(monitor->step({1, 1, {{"reward/mean", 0.5}}}));
  EXPECT_EQ(shown_.find("F\x1b[0J"), std::string::npos);
  const auto lines = std::ranges::count(shown_, '\n');
  shown_.clear();
  ASSERT_TRUE(monitor->step({2, 2, {{"reward/mean", 0.5}}}));
  EXPECT_TRUE(shown_.starts_with(fmt::format("\x1b[{}F\x1b[0J", lines))) << shown_;
}

TEST_F(MonitorTest, WarningsAreToldOnce) {
  const auto monitor = open();
  for (int64_t step = 1; step <= 5; ++step)
    ASSERT_TRUE(monitor->step({step, 1, {{"reward/std", 0}, {"reward/mean", 0.1}}}));
  const std::string warning =
      "warning at step 1: no signal: all answers got the same reward: 0.100\n";
  EXPECT_NE(shown_.find(warning), std::string::npos) << shown_;
  EXPECT_EQ(shown_.find("warning"), shown_.rfind("warning"));
}

TEST_F(MonitorTest, FinishWritesTheReport) {
  const auto monitor = open();
  go(*monitor, 1, 4);
  ASSERT_TRUE(monitor->finish());
  EXPECT_NE(text(kReportFile).find("<svg"), std::string::npos);
}

TEST_F(MonitorTest, AFolderThatCannotBeIsNamed) {
  Monitor::Options options;
  options.folder = "/proc/nothing";
  const auto monitor = Monitor::open(options);
  ASSERT_FALSE(monitor);
  EXPECT_NE(monitor.error().message.find("/proc/nothing"), std::string::npos);
}

}  // namespace
}  // namespace r1
