#include "cli/conversation.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Conversation, SurvivesSaving) {
  Conversation c;
  c.model = "m.gguf";
  c.system = "Be \"brief\"\n";
  c.think = Think::kOff;
  ASSERT_TRUE(c.parameters.set(*find_parameter("top_k"), "5", "top_k"));
  c.messages = {{"user", "hé\n", ""}, {"assistant", "answer", "thought"}};
  const auto back = Conversation::from_json(c.to_json());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->to_json(), c.to_json());
  EXPECT_EQ(back->think, Think::kOff);
  EXPECT_EQ(back->messages[1].thought, "thought");
}

TEST(Conversation, TemplatesSeeNoOldThoughts) {
  Conversation c;
  c.messages = {{"user", "q", ""}, {"assistant", "a", "long thought"}};
  EXPECT_EQ(c.for_template().dump(),
            R"([{"role":"user","content":"q"},{"role":"assistant","content":"a"}])");
  c.system = "s";
  EXPECT_EQ(c.for_template()[0].dump(), R"({"role":"system","content":"s"})");
}

TEST(Conversation, RefusesWhatIsNone) {
  constexpr const char* kBad[] = {"",
                                  "[]",
                                  "{",
                                  "{}",
                                  R"({"messages": 1})",
                                  R"({"messages": [1]})",
                                  R"({"messages": [{"role": "root", "content": ""}]})",
                                  R"({"messages": [{"role": "user"}]})",
                                  R"({"messages": [{"role": "user", "content": 1}]})",
                                  R"({"messages": [], "think": "maybe"})",
                                  R"({"messages": [], "system": 1})",
                                  R"({"messages": [], "parameters": {"heat": 1}})",
                                  "{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}"};
  for (const char* text : kBad) EXPECT_FALSE(Conversation::from_json(text)) << text;
  EXPECT_FALSE(Conversation::from_json(std::string(1'000'000, '[')));
  EXPECT_FALSE(Conversation::from_json("{\"messages\":" + std::string(1'000'000, '[')));
  const auto named = Conversation::from_json(
      R"({"messages": [{"role":"user","content":""}, {"role":"x","content":""}]})");
  ASSERT_FALSE(named);
  EXPECT_NE(named.error().message.find("messages[1]"), std::string::npos);
}

}  // namespace
}  // namespace r1
