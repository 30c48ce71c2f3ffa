#include "serve/places.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace r1 {
namespace {

// How many the key gets, asking for one after the other.
int64_t fill(Places& places, const std::string& key) {
  int64_t n = 0;
  while (!places.take(key, 1)) ++n;
  return n;
}

TEST(Places, AKeyThatIsAloneHasAll) {
  Places places(8);
  EXPECT_EQ(fill(places, "a"), 8);
  places.give_back("a", 3);
  EXPECT_EQ(fill(places, "a"), 3);
}

TEST(Places, WhereTheyAreTakenOthersGetTheirShare) {
  Places places(12);
  EXPECT_EQ(fill(places, "a"), 12);
  EXPECT_EQ(fill(places, "b"), 6);
  EXPECT_EQ(fill(places, "c"), 4);
  EXPECT_EQ(fill(places, "a"), 0);
  EXPECT_EQ(fill(places, "b"), 0);
  for (int keys = 4; keys < 20; ++keys)
    EXPECT_EQ(fill(places, std::to_string(keys)), std::max(12 / keys, 1)) << "at least one";
}

// Who has too many gets none until they have ended; then all have as many.
TEST(Places, WhoHasMoreThanAShareWaits) {
  Places places(8);
  EXPECT_EQ(fill(places, "a"), 8);
  EXPECT_EQ(fill(places, "b"), 4);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(fill(places, "a"), 0) << i;
    places.give_back("a", 1);
    EXPECT_EQ(fill(places, "b"), 0) << i;
  }
  EXPECT_EQ(fill(places, "a"), 0);
  places.give_back("b", 4);
  EXPECT_EQ(fill(places, "a"), 4) << "none of it is kept for who is gone";
}

TEST(Places, FreeOnesAreForAll) {
  Places places(8);
  EXPECT_FALSE(places.take("b", 1));
  EXPECT_EQ(fill(places, "a"), 7) << "more than its share, while nobody else wants it";
  EXPECT_EQ(fill(places, "b"), 3);
}

TEST(Places, ARequestGetsAllThatItWantsOrNone) {
  Places places(4);
  EXPECT_FALSE(places.take("a", 3));
  const auto busy = places.take("a", 2);
  ASSERT_TRUE(busy);
  EXPECT_EQ(busy->status, 429);
  EXPECT_EQ(busy->retry_after, 1);
  EXPECT_EQ(busy->message,
            "server busy: with this request 5 answers would be under way, 5 of this key, whose "
            "share of 4 is 4; try again later");
  EXPECT_TRUE(places.take("b", 3)) << "its share is 2";
  EXPECT_FALSE(places.take("b", 2));
  EXPECT_EQ(places.take("c", 5)->status, 400) << "which never fits";
}

}  // namespace
}  // namespace r1
