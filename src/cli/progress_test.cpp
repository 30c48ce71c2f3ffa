#include "cli/progress.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace r1 {
namespace {

TEST(Progress, SaysShareAmountRateAndTimeLeft) {
  const std::string line =
      progress_line("weights", 512ull << 20, 2ull << 30, ProgressUnit::kBytes, 2.0, 100);
  for (const char* part : {"weights", "25 %", "━", "/s", "left"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " in: " << line;
  }
  EXPECT_NE(line.find(format_bytes(512ull << 20) + " of " + format_bytes(2ull << 30)),
            std::string::npos)
      << line;
  EXPECT_NE(line.find(format_seconds(6)), std::string::npos) << line;
}

TEST(Progress, NeverExceedsTheWidth) {
  for (int width = 1; width < 120; ++width) {
    for (const uint64_t total : {uint64_t{0}, uint64_t{1000}, uint64_t{1} << 40}) {
      EXPECT_LE(display_width(
                    progress_line("a label 日本", 999, total, ProgressUnit::kCount, 3.0, width)),
                width);
    }
  }
}

TEST(Progress, AnUnknownTotalHasNoShare) {
  const std::string line = progress_line("reading", 4096, 0, ProgressUnit::kBytes, 1.0, 80);
  EXPECT_EQ(line.find('%'), std::string::npos);
  EXPECT_EQ(line.find("left"), std::string::npos);
  EXPECT_NE(line.find("/s"), std::string::npos);
}

TEST(Progress, IsSilentWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    Progress progress("quiet", 10);
    for (uint64_t i = 0; i <= 10; ++i) progress.update(i);
    progress.finish();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace r1
