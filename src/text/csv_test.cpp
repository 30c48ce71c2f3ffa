#include "text/csv.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

using Rows = std::vector<std::vector<std::string>>;

TEST(Csv, RowsAndQuotes) {
  EXPECT_EQ(*parse_csv("a,b\r\n1,\"x, \"\"y\"\"\nz\"\n,\n"),
            (Rows{{"a", "b"}, {"1", "x, \"y\"\nz"}, {"", ""}}));
  EXPECT_EQ(*parse_csv("\xEF\xBB\xBFq\nlast"), (Rows{{"q"}, {"last"}}));
  EXPECT_EQ(*parse_csv(""), Rows{});
  EXPECT_EQ(*parse_csv("a,"), (Rows{{"a", ""}}));
  EXPECT_EQ(*parse_csv("a\rb"), (Rows{{"a"}, {"b"}}));
}

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_EQ(parse_csv("a\n\"b").error().message, "line 2: its quote does not end");
  EXPECT_EQ(parse_csv("\"a\n\"b").error().message, "line 2: text behind a closing quote");
}

}  // namespace
}  // namespace r1
