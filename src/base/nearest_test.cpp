#include "base/nearest.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Nearest, FindsTheMisspelledName) {
  const std::vector<std::string> names = {"run", "show", "quantize", "--temperature"};
  EXPECT_EQ(nearest("rnu", names), "run");
  EXPECT_EQ(nearest("quantise", names), "quantize");
  EXPECT_EQ(nearest("--temprature", names), "--temperature");
  EXPECT_EQ(nearest("serve", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(1000, 'r'), names), "");
}

}  // namespace
}  // namespace r1
