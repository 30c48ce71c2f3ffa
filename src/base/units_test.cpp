#include "base/units.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Units, WriteNumbersAsPeopleDo) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(4'683'073'184), "4.36 GiB");
  EXPECT_EQ(format_count(1'777'088'000), "1.78 B");
  EXPECT_EQ(format_count(671'026'419'200), "671 B");
  EXPECT_EQ(format_grouped(671'026'419'200), "671,026,419,200");
  EXPECT_EQ(format_grouped(12), "12");
  EXPECT_EQ(format_seconds(0.85), "850 ms");
  EXPECT_EQ(format_seconds(245), "4 min 05 s");
}

TEST(Units, ReadSizes) {
  EXPECT_EQ(*parse_bytes("4096"), 4096u);
  EXPECT_EQ(*parse_bytes("512B"), 512u);
  EXPECT_EQ(*parse_bytes("16G"), uint64_t{16} << 30);
  EXPECT_EQ(*parse_bytes("1.5GiB"), uint64_t{3} << 29);
  EXPECT_EQ(*parse_bytes("2kb"), 2048u);
  for (const char* bad : {"", "G", "-1", "1.2.3", "12X", "1e5", "99999999999T", "3KM", "4GG"}) {
    const auto result = parse_bytes(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_NE(result.error().message.find(bad), std::string::npos);
  }
}

}  // namespace
}  // namespace r1
