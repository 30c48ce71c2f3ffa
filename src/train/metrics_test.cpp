#include "train/metrics.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace r1 {
namespace {

TEST(Metrics, ChecksumOfTheStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // RFC 3720, the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
}

TEST(Metrics, OneJsonObjectALine) {
  const std::string line = to_json_line(
      {3, 1.5, {{"reward/mean", 0.25}, {"kl", std::numeric_limits<double>::quiet_NaN()}}});
  EXPECT_EQ(line, "{\"step\":3,\"time\":1.5,\"reward/mean\":0.25,\"kl\":null}\n");
}

// The framing as its specification says: u64 length, u32 mask(crc(length)), bytes, u32
// mask(crc(bytes)).
TEST(Metrics, TensorBoardRecordsAreFramedAndHoldTheirValues) {
  const std::string record = tensorboard_record({300, 2.0, {{"kl", 0.5}}});
  uint64_t length;
  uint32_t crc;
  std::memcpy(&length, record.data(), 8);
  ASSERT_EQ(record.size(), length + 16);
  std::memcpy(&crc, record.data() + 8, 4);
  EXPECT_EQ(crc, masked_crc32c(record.substr(0, 8)));
  const std::string event = record.substr(12, length);
  std::memcpy(&crc, record.data() + 12 + length, 4);
  EXPECT_EQ(crc, masked_crc32c(event));
  // wall_time 2.0; step 300; summary { value { tag "kl" simple_value 0.5 } }
  const std::string want = std::string("\x09\0\0\0\0\0\0\0\x40", 9) + "\x10\xac\x02" + "\x2a\x0b" +
                           "\x0a\x09" + "\x0a\x02kl" + std::string("\x15\0\0\0\x3f", 5);
  EXPECT_EQ(event, want);
}

}  // namespace
}  // namespace r1
