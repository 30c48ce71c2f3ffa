#include "text/printable.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Printable, ControlCharactersAreDropped) {
  EXPECT_EQ(printable("a\x1b[31mred\x07\b\r\nb\tc\x7F"), "a[31mred\nb\tc");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m\xC2\x85"
                      "x"),
            "31mx");  // C1: CSI and NEL
  EXPECT_EQ(printable("\x9B"
                      "31m"),
            "\xEF\xBF\xBD"
            "31m");  // CSI as a bare byte
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "ab");
  EXPECT_EQ(printable("日本 é 🙂"), "日本 é 🙂");
  EXPECT_EQ(printable("\xE6\x97"), "\xEF\xBF\xBD");                      // cut off
  EXPECT_EQ(printable("\xED\xA0\x80").find('\xED'), std::string::npos);  // a surrogate
}

TEST(Printable, CharactersCutBetweenCallsAreWhole) {
  const std::string text = "a日\xC2\x9B🙂é\x1b[2Jz\xFF\xE6\x97";
  const std::string whole = printable(text);
  for (size_t n = 1; n <= text.size(); ++n) {
    ControlFilter filter;
    std::string out;
    for (size_t i = 0; i < text.size(); i += n)
      out += filter.feed(std::string_view(text).substr(i, n));
    EXPECT_EQ(out + filter.finish(), whole) << n;
  }
}

TEST(Printable, WidthCountsColumns) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(display_width("e\xCC\x81"), 1);  // a combining accent
}

TEST(Printable, ALineIsCutToItsColumns) {
  EXPECT_EQ(fit_width("abc", 3), "abc");
  EXPECT_EQ(fit_width("abcd", 3), "ab…");
  EXPECT_EQ(fit_width("日本語", 5), "日本…");
  EXPECT_EQ(fit_width("日本語", 4), "日…");
  EXPECT_EQ(fit_width("日本語", 0), "");
}

}  // namespace
}  // namespace r1
