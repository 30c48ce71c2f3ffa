#include "cli/answer_printer.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

constexpr Terminal kPipe{.interactive = false, .styled = false, .width = 80};
constexpr Terminal kPlain{.interactive = true, .styled = false, .width = 80};
constexpr Terminal kStyled{.interactive = true, .styled = true, .width = 80};

// What an output shows of a thought and an answer that arrive in pieces.
std::string show(const Terminal& terminal, bool show_thought, std::vector<std::string> thought,
                 std::vector<std::string> answer) {
  std::string shown;
  AnswerPrinter printer(terminal, show_thought, [&](std::string_view text) { shown += text; });
  for (const std::string& text : thought)
    printer.show({.thought = text, .answer = "", .tokens = {}});
  for (const std::string& text : answer)
    printer.show({.thought = "", .answer = text, .tokens = {}});
  printer.finish();
  return shown;
}

TEST(AnswerPrinter, APipeGetsTheAnswerAsItIs) {
  EXPECT_EQ(show(kPipe, false, {"h", "m"}, {"**bold** \x1b[31m", "x"}), "**bold** \x1b[31mx\n");
  EXPECT_EQ(show(kPipe, false, {}, {"line\n"}), "line\n");
  EXPECT_EQ(show(kPipe, false, {"only a thought"}, {}), "");
  EXPECT_EQ(show(kPipe, true, {"h", "m"}, {"x"}), "<think>\nhm\n</think>\n\nx\n");
}

TEST(AnswerPrinter, ATerminalGetsNoControlCharactersOfTheModel) {
  for (const Terminal& terminal : {kPlain, kStyled}) {
    const std::string shown = show(terminal, true, {"a\x1b]0;evil\x07", "b"}, {"c\x1b[2J", "d\r"});
    EXPECT_EQ(shown.find("\x1b]"), std::string::npos);
    EXPECT_EQ(shown.find("\x1b[2J"), std::string::npos);
    EXPECT_EQ(shown.find('\x07'), std::string::npos);
  }
}

TEST(AnswerPrinter, AThoughtIsDimmedBetweenHeaderAndFooter) {
  EXPECT_EQ(show(kPlain, true, {"hm"}, {"x"}), "Thinking…\nhm\n…done thinking.\n\nx\n");
  const std::string styled = show(kStyled, true, {"hm"}, {"x"});
  const size_t dim = styled.find(styles(kStyled).dim), thought = styled.find("hm"),
               reset = styled.find(styles(kStyled).reset, thought),
               answer = styled.find('x', reset);
  EXPECT_LT(dim, thought);
  EXPECT_LT(reset, answer);
  EXPECT_NE(answer, std::string::npos);
}

TEST(AnswerPrinter, AHiddenThoughtLeavesNoTrace) {
  const std::string shown = show(kStyled, false, {"secret"}, {"x"});
  EXPECT_EQ(shown.find("secret"), std::string::npos);
  EXPECT_NE(shown.find("\r\x1b[K"), std::string::npos) << "the header is wiped";
}

TEST(AnswerPrinter, AnUnfinishedThoughtIsClosed) {
  EXPECT_EQ(show(kPlain, true, {"hm"}, {}), "Thinking…\nhm\n…done thinking.\n\n");
}

TEST(AnswerPrinter, AnAnswerThatWasTheThoughtIsToldFromTheAnswer) {
  for (const Terminal& terminal : {kPipe, kPlain}) {
    std::string shown;
    AnswerPrinter printer(terminal, false, [&](std::string_view text) { shown += text; });
    printer.show({.thought = "", .answer = "hm", .tokens = {}});
    printer.show({.thought = "m", .answer = "x", .tokens = {}, .answer_was_thought = true});
    printer.finish();
    EXPECT_EQ(shown,
              terminal.interactive ? "hmm\n…that was its thought.\n\nx\n" : "hmm\n</think>\n\nx\n");
  }
}

}  // namespace
}  // namespace r1
