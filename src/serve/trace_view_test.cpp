#include "serve/trace_view.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

TraceLine line(const std::string& thought, const std::string& answer) {
  TraceLine l{.id = 7, .content = {}, .digest = "d", .chain = "c", .snippet = ""};
  l.content = {{"time", 1795542087123},
               {"key", "k"},
               {"user", ""},
               {"model", {{"name", "m"}, {"file", "/home/ann/m.gguf"}, {"sha256", "0"}}},
               {"messages",
                {{{"role", "user"}, {"content", "first"}},
                 {{"role", "assistant"}, {"content", "one"}},
                 {{"role", "user"}, {"content", std::string(150, 'a') + std::string(60, 'b')}}}},
               {"thought", thought},
               {"answer", answer},
               {"finish", "stop"},
               {"tokens", {{"thought", 3}, {"generated", 10}}},
               {"seconds", {{"whole", 1.5}}},
               {"nonce", "00"}};
  return l;
}

TEST(TraceView, ALineOfAList) {
  TraceLine l = line("", "");
  l.snippet = "a <\x01wo&rd\x02>";
  const Json s = trace_summary(l);
  EXPECT_EQ(s["id"], 7);
  EXPECT_EQ(s["time"], "2026-11-24T17:41:27Z");
  EXPECT_EQ(s["prompt"], std::string(150, 'a') + std::string(50, 'b') + "…");
  EXPECT_EQ(s["thought_tokens"], 3);
  EXPECT_EQ(s["answer_tokens"], 7);
  EXPECT_EQ(s["seconds"], 1.5);
  EXPECT_EQ(s["snippet"], "a &lt;<b>wo&amp;rd</b>&gt;");
}

TEST(TraceView, PlacesAreCountedAsJavaScriptCounts) {
  // ü is one unit of UTF-16 and two bytes of UTF-8, 🙂 two and four.
  const Json whole = trace_whole(line("ü🙂 Wait, it is 42. check", "It is 42."));
  const Json& s = whole["structure"];
  ASSERT_EQ(s["marks"].size(), 2u);
  EXPECT_EQ(s["marks"][0]["kind"], "backtrack");
  EXPECT_EQ(s["marks"][0]["begin"], 4);
  EXPECT_EQ(s["marks"][0]["end"], 8);
  EXPECT_EQ(s["marks"][0]["text"], "Wait");
  EXPECT_EQ(s["marks"][1]["kind"], "check");
  EXPECT_EQ(s["answer"], "42");
  EXPECT_EQ(s["first"]["begin"], 16);
  EXPECT_EQ(s["first"]["end"], 18);
  EXPECT_EQ(whole["model"]["file"], "m.gguf");
  EXPECT_FALSE(whole.contains("nonce"));
  EXPECT_TRUE(trace_whole(line("", "yes"))["structure"]["answer"].is_null());
}

TEST(TraceView, WhatWasErasedIsTold) {
  TraceLine l = line("", "");
  l.content = nullptr;
  EXPECT_EQ(trace_summary(l), (Json{{"id", 7}, {"erased", true}}));
  EXPECT_EQ(trace_whole(l)["digest"], "d");
  EXPECT_FALSE(is_erasure(l));
  l.content = {{"time", 1795542087123}, {"erased", {3}}, {"reason", "ids"}};
  EXPECT_TRUE(is_erasure(l));
  EXPECT_EQ(
      trace_summary(l),
      (Json{{"id", 7}, {"time", "2026-11-24T17:41:27Z"}, {"erased", {3}}, {"reason", "ids"}}));
}

}  // namespace
}  // namespace r1
