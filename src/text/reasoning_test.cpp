#include "text/reasoning.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/test_data.h"

namespace r1 {
namespace {

struct Split {
  std::string thought, answer;
  bool seen = false;
  bool operator==(const Split&) const = default;
};

void PrintTo(const Split& s, std::ostream* out) {
  *out << "{" << s.thought << " | " << s.answer << " | " << s.seen << "}";
}

// What a consumer that keeps everything ends with, the text arriving `chunk` bytes at a time.
Split split(std::string_view prompt, std::string_view text, size_t chunk = 1 << 30) {
  ReasoningSplitter splitter(prompt);
  Split result;
  const auto add = [&](const ReasoningSplitter::Piece& piece) {
    result.thought += piece.thought;
    result.answer += piece.answer.substr(0, piece.mistaken);
    if (piece.answer_was_thought) result.thought += std::exchange(result.answer, {});
    result.answer += piece.answer.substr(piece.mistaken);
  };
  for (size_t i = 0; i < text.size(); i += chunk) add(splitter.feed(text.substr(i, chunk)));
  add(splitter.finish());
  result.seen = splitter.thought_seen();
  return result;
}

constexpr const char* kOpen = "<｜User｜>Hi<｜Assistant｜><think>\n";
constexpr const char* kClosed = "<|im_start|>assistant\n";
constexpr const char* kNoThink = "<|im_start|>assistant\n<think>\n\n</think>\n\n";

struct Case {
  const char *prompt, *text;
  Split expected;
};

const Case kCases[] = {
    // The prompt opened the thought.
    {kOpen, "I think.\n</think>\n\nHello.", {"I think.", "Hello.", true}},
    {kOpen, "a\n\nb </think> c\n", {"a\n\nb", "c\n", true}},
    {kOpen, "never closed \n", {"never closed \n", "", true}},
    {kOpen, "<think>\nrepeated</think>x", {"repeated", "x", true}},
    {kOpen, "</think>\n\nquick", {"", "quick", true}},
    {kOpen, "\n\n</think>\n\nquick", {"", "quick", true}},
    {kOpen, "x < y </ z </thin</think>a", {"x < y </ z </thin", "a", true}},
    {kOpen, "a<</think>b", {"a<", "b", true}},
    {kOpen, "a</think>b</think>c<think>d", {"a", "b</think>c<think>d", true}},
    {kOpen, "ends in a tag's begin </thi", {"ends in a tag's begin </thi", "", true}},
    {"<think>", "a</think>b", {"a", "b", true}},
    {"<think> \n\n", "a</think>b", {"a", "b", true}},
    // The model opens it.
    {kClosed, "<think>\nhm\n</think>\n\nHello.", {"hm", "Hello.", true}},
    {kClosed, "\n <think>hm</think>Hello.", {"hm", "Hello.", true}},
    {kClosed, "<think>\n\n</think>\n\nHello.", {"", "Hello.", true}},
    {kClosed, "<think>cut off", {"cut off", "", true}},
    {kClosed, "<think>", {"", "", true}},
    // There is none.
    {kClosed, "Hello.", {"", "Hello.", false}},
    {kClosed, "\n\nHello.\n", {"", "\n\nHello.\n", false}},
    {kClosed, "<thin", {"", "<thin", false}},
    {kClosed, "<thinner>", {"", "<thinner>", false}},
    {kClosed, " ", {"", " ", false}},
    {kClosed, "", {"", "", false}},
    {kClosed,
     "The tags <think> and\n</think> delimit it.",
     {"", "The tags <think> and\n</think> delimit it.", false}},
    {kClosed, "Say </think> to end.", {"", "Say </think> to end.", false}},
    {kNoThink, "Hello.", {"", "Hello.", false}},
    // The opening tag is missing.
    {kClosed, "Let me see.\n</think>\n\nHello.", {"Let me see.\n", "Hello.", true}},
    {kClosed, "a\n<\n</think>\nb\n</think>\nc", {"a\n<\n", "b\n</think>\nc", true}},
    {kClosed, "</think>b", {"", "b", true}},
};

TEST(ReasoningSplitter, SplitsTheThoughtFromTheAnswer) {
  for (const Case& c : kCases) EXPECT_EQ(split(c.prompt, c.text), c.expected) << c.prompt << c.text;
}

TEST(ReasoningSplitter, TheCutNeverMatters) {
  for (const Case& c : kCases) {
    for (size_t chunk = 1; chunk <= std::string_view(c.text).size(); ++chunk) {
      EXPECT_EQ(split(c.prompt, c.text, chunk), c.expected) << c.text << " in chunks of " << chunk;
    }
  }
}

TEST(ReasoningSplitter, HoldsNothingBackWithoutNeed) {
  ReasoningSplitter splitter(kOpen);
  EXPECT_TRUE(splitter.thinking());
  EXPECT_EQ(splitter.feed("Well").thought, "Well");
  EXPECT_EQ(splitter.feed(" ").thought, "");
  EXPECT_EQ(splitter.feed("then <").thought, " then");
  EXPECT_EQ(splitter.feed("b").thought, " <b");
  EXPECT_EQ(splitter.feed("\n</think").thought, "");
  EXPECT_TRUE(splitter.thinking());
  EXPECT_EQ(splitter.feed(">\n\nA").answer, "A");
  EXPECT_FALSE(splitter.thinking());
  EXPECT_EQ(splitter.feed(" <").answer, " <");
}

TEST(ReasoningSplitter, OtherTags) {
  ReasoningSplitter splitter("", "[THINK]", "[/THINK]");
  EXPECT_EQ(splitter.feed("[THINK]a[[/THINK]b").thought, "a[");
}

TEST(ReasoningSplitter, RealTraces) {
  R1_TEST_DATA(path, "train/star1_r1_traces.jsonl");
  const std::string lines = read_test_file(path);
  int traces = 0;
  for (size_t begin = 0; begin < lines.size() && traces < 100; ++traces) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    const std::string response =
        nlohmann::json::parse(lines.substr(begin, end - begin))["response"];
    begin = end + 1;
    const Split whole = split(kClosed, response);
    EXPECT_TRUE(whole.seen);
    EXPECT_FALSE(whole.thought.empty());
    EXPECT_FALSE(whole.answer.empty());
    EXPECT_EQ(whole.answer.find("</think>"), std::string::npos);
    EXPECT_EQ(split(kClosed, response, 5), whole);
    EXPECT_EQ(split(kOpen, std::string_view(response).substr(7), 3), whole);  // less <think>
  }
  EXPECT_EQ(traces, 100);
}

TEST(ReasoningSplitter, LongRunsOfSpaceAndTagBeginnings) {
  for (const char* piece : {" ", "\n", "<", "</think", "<think"}) {
    std::string text = "a";
    while (text.size() < 300'000) text += piece;
    for (const char* prompt : {kOpen, kClosed}) {
      const Split result = split(prompt, text, 1);
      EXPECT_EQ(result.thought + result.answer, text);
    }
  }
}

}  // namespace
}  // namespace r1
