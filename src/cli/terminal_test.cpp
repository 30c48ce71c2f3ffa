#include "cli/terminal.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace r1 {
namespace {

TEST(Terminal, APipeIsNone) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Terminal pipe_end = terminal(ends[1]);
  EXPECT_FALSE(pipe_end.interactive);
  EXPECT_FALSE(pipe_end.styled);
  EXPECT_EQ(pipe_end.width, 80);
  close(ends[0]);
  close(ends[1]);
}

TEST(Terminal, StylesAreEmptyWhereTheyAreNotWelcome) {
  for (const Terminal t : {Terminal{false, false, 80}, Terminal{true, false, 80}}) {
    const Styles s = styles(t);
    EXPECT_TRUE((std::string(s.reset) + std::string(s.bold) + std::string(s.dim) +
                 std::string(s.italic) + std::string(s.underline) + std::string(s.code) +
                 std::string(s.heading) + std::string(s.error))
                    .empty());
  }
  EXPECT_EQ(styles({true, true, 80}).dim, "\x1b[2m");
}

}  // namespace
}  // namespace r1
