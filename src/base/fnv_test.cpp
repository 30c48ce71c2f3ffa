#include "base/fnv.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Fnv, IsTheOneOfItsAuthors) {
  EXPECT_EQ(fnv1a64(""), 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8u);  // their test vectors
}

}  // namespace
}  // namespace r1
