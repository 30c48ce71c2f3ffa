#include "text/pattern.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace r1 {
namespace {

std::vector<std::string> matches(const char* regex, const std::string& text) {
  auto pattern = Pattern::compile(regex);
  if (!pattern) return {pattern.error().message};
  Pattern::Matcher matcher(*pattern);
  std::vector<std::string> found;
  size_t at = 0;
  while (const auto match = matcher.find(text, at)) {
    found.push_back(text.substr(match->begin, match->end - match->begin));
    at = match->end;
  }
  return found;
}

using Texts = std::vector<std::string>;

TEST(Pattern, ReadsWhatTokenizersUse) {
  EXPECT_EQ(matches(R"((?i:'s|'LL)|\p{L}+)", "it'S we'll"), (Texts{"it", "'S", "we", "'ll"}));
  EXPECT_EQ(matches(R"(\p{N}{1,3})", "12345"), (Texts{"123", "45"}));
  EXPECT_EQ(matches(R"(\s+(?!\S)|\s+)", "a   b "), (Texts{"  ", " ", " "}));
  EXPECT_EQ(matches(R"([!-/:-@\[-`{-~][A-Za-z]+)", "[ab~c"), (Texts{"[ab", "~c"}));
  EXPECT_EQ(matches("[一-龥]+", "a人工b"), (Texts{"人工"}));
  EXPECT_EQ(matches(R"([^\r\n\p{L}]?\p{Lu}(?:x)?)", "(Ax\nB"), (Texts{"(Ax", "B"}));
  EXPECT_EQ(matches(R"(a*)", "baab"), (Texts{"aa"}));
}

TEST(Pattern, WhiteSpaceIsUnicodes) {
  EXPECT_EQ(matches(R"(\s)", "\u180E"), Texts{});  // PCRE2's own \s has it
  EXPECT_EQ(matches(R"(\s+)", "x\u0085\u2028\u3000\u00A0\x0Bx"),
            (Texts{"\u0085\u2028\u3000\u00A0\x0B"}));
  EXPECT_EQ(matches(R"([^\s]+)", "a\u2029b"), (Texts{"a", "b"}));
}

TEST(Pattern, RefusesWhatItWouldReadDifferently) {
  for (const char* regex : {"[a[bc]]",
                            "[[:alpha:]]",
                            "[a&&b]",
                            R"(\h)",
                            R"(\w+)",
                            R"(\bx)",
                            R"((a)\1)",
                            "(?>a)",
                            "(?i)a",
                            "(a+)*",
                            "(?:a|b){2}",
                            "a**",
                            "*",
                            "(",
                            ")",
                            "[",
                            "[]",
                            "a{",
                            "a{9999}",
                            "\\",
                            R"(\p{L)",
                            R"(\p{NoSuchProperty})",
                            R"(\x{110000})",
                            "\xFF"}) {
    const auto pattern = Pattern::compile(regex);
    ASSERT_FALSE(pattern) << regex;
    EXPECT_NE(pattern.error().message.find("pattern \""), std::string::npos)
        << pattern.error().message;
  }
  EXPECT_FALSE(Pattern::compile(std::string(100, '(') + std::string(100, ')')));
  EXPECT_FALSE(Pattern::compile(std::string(100'000, 'a')));
}

TEST(Pattern, StopsWhereBacktrackingRunsAway) {
  const auto pattern = Pattern::compile(R"(\s*\s*\s*\s*x)");
  ASSERT_TRUE(pattern);
  Pattern::Matcher matcher(*pattern);
  EXPECT_THROW(matcher.find(std::string(3000, ' ') + "1x", 0), std::runtime_error);
}

}  // namespace
}  // namespace r1
