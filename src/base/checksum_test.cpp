#include "base/checksum.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <span>
#include <string_view>

namespace r1 {
namespace {

std::string sum_of(std::initializer_list<std::string_view> pieces) {
  Checksum sum;
  for (const std::string_view piece : pieces) sum.add(std::as_bytes(std::span(piece)));
  return sum.hex();
}

TEST(Checksum, IsXxh3) {
  EXPECT_EQ(sum_of({}), "99aa06d3014798d86001c324468d497f");  // xxHash's own, of no bytes
  EXPECT_EQ(sum_of({"ab", "", "c"}), sum_of({"abc"}));
  EXPECT_NE(sum_of({"abd"}), sum_of({"abc"}));
}

}  // namespace
}  // namespace r1
