#include "infer/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace r1 {
namespace {

std::string run(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(stops);
  std::string text;
  for (const auto& piece : pieces) text += matcher.feed(piece);
  return text + matcher.finish();
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBegin) {
  StopMatcher m({"User:", "\n\n"});
  EXPECT_EQ(m.feed("Hello U"), "Hello ");
  EXPECT_EQ(m.feed("se"), "");
  EXPECT_EQ(m.feed("d\n"), "Used");
  EXPECT_EQ(m.feed("x"), "\nx");
  EXPECT_EQ(m.feed("Use"), "");
  EXPECT_EQ(m.feed("r: no\n\n"), "");
  EXPECT_TRUE(m.stopped());
  EXPECT_EQ(m.feed("more"), "");
  EXPECT_EQ(m.finish(), "");
}

TEST(StopMatcher, TheFirstOfSeveralStops) {
  EXPECT_EQ(run({"c", "bcd"}, {"abcd"}), "ab") << "the first to be complete";
  EXPECT_EQ(run({"d", "bcd"}, {"abcd"}), "a") << "of two complete at once the longer";
  EXPECT_EQ(run({"aab"}, {"a", "a", "a", "b"}), "a") << "overlapping beginnings";
  EXPECT_EQ(run({"stop"}, {"sto"}), "sto") << "an unfinished stop string is text";
  EXPECT_EQ(run({}, {"a", "b"}), "ab");
}

// However the text is cut into pieces, the result is the same as on the whole.
TEST(StopMatcher, CutsDoNotMatter) {
  std::mt19937 random(5);
  const auto letters = [&](size_t n) {
    std::string s;
    while (s.size() < n) s += static_cast<char>('a' + random() % 2);
    return s;
  };
  for (int turn = 0; turn < 3000; ++turn) {
    const std::vector<std::string> stops = {letters(1 + random() % 5) + "c",
                                            letters(2 + random() % 5)};
    std::string text = letters(random() % 30);
    if (random() % 2) text += "c" + letters(random() % 5);
    std::string expected;  // by the definition: letter by letter
    for (const char c : text) {
      expected += c;
      const bool first = expected.ends_with(stops[0]), second = expected.ends_with(stops[1]);
      if (!first && !second) continue;
      const size_t longest = std::max(first ? stops[0].size() : 0, second ? stops[1].size() : 0);
      expected.resize(expected.size() - longest);
      break;
    }
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, 1 + random() % 4));
      at += pieces.back().size();
    }
    ASSERT_EQ(run(stops, pieces), expected) << text << " | " << stops[0] << " | " << stops[1];
  }
}

}  // namespace
}  // namespace r1
