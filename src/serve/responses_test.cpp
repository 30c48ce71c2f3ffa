// Responses and embeddings.
#include <cmath>

#include "serve/dialects.h"
#include "serve/test_client.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

TEST(Responses, AnswersWithItems) {
  FakeServer fake;
  const auto r = fake.client().post("/v1/responses", {{"model", "fake"},
                                                      {"instructions", "Be brief."},
                                                      {"input", "2+2?"},
                                                      {"reasoning", {{"effort", "low"}}},
                                                      {"max_output_tokens", 50},
                                                      {"store", true}});
  ASSERT_EQ(r.status, 200) << r.body;
  const Json j = r.json();
  EXPECT_EQ(j["object"], "response");
  EXPECT_EQ(j["status"], "completed");
  EXPECT_EQ(j["store"], false);
  EXPECT_EQ(j["output"][0]["type"], "reasoning");
  EXPECT_EQ(j["output"][0]["summary"][0]["text"], "Let me see.");
  EXPECT_EQ(j["output"][1]["content"][0]["text"], "Four it is.");
  EXPECT_EQ(j["usage"]["input_tokens"], 10);
  EXPECT_EQ(j["usage"]["output_tokens_details"]["reasoning_tokens"], 3);
  EXPECT_EQ(j["instructions"], "Be brief.");
  EXPECT_EQ(fake.script->messages[0]["role"], "system");
  EXPECT_EQ(fake.script->messages[1]["content"], "2+2?");
  EXPECT_EQ(fake.script->params.think_budget, 1024);
  EXPECT_EQ(fake.script->params.max_tokens, 50);
  fake.script->reason = FinishReason::kLength;
  const Json cut =
      fake.client().post("/v1/responses", {{"model", "fake"}, {"input", "2+2?"}}).json();
  EXPECT_EQ(cut["status"], "incomplete");
  EXPECT_EQ(cut["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(Responses, StreamsEventsInTheirOrder) {
  FakeServer fake;
  fake.script->chat_template = "<tool_call>";
  fake.script->pieces = {
      {.thought = "Let me", .answer = "", .tokens = {}},
      {.thought = " see.", .answer = "", .tokens = {}},
      {.thought = "", .answer = "I ask.", .tokens = {}},
      {.thought = "",
       .answer = "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>",
       .tokens = {}}};
  const auto r = fake.client().post(
      "/v1/responses",
      {{"model", "fake"},
       {"stream", true},
       {"tools", {{{"type", "function"}, {"name", "f"}, {"parameters", {{"type", "object"}}}}}},
       {"input",
        {{{"role", "user"}, {"content", {{{"type", "input_text"}, {"text", "Go."}}}}},
         {{"type", "reasoning"}, {"summary", Json::array()}},
         {{"type", "function_call"}, {"call_id", "c1"}, {"name", "f"}, {"arguments", "{}"}},
         {{"type", "function_call_output"}, {"call_id", "c1"}, {"output", "done"}}}}});
  ASSERT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(fake.script->messages[1]["tool_calls"][0]["function"]["name"], "f");
  EXPECT_EQ(fake.script->messages[2]["content"], "done");
  std::vector<std::string> types;
  int64_t number = 0;
  const auto all = events(r.body);
  for (const Json& e : all) {
    EXPECT_EQ(e["sequence_number"], number++);
    types.push_back(e["type"].get<std::string>().substr(9));
  }
  const std::vector<std::string> wanted = {"created",
                                           "in_progress",
                                           "output_item.added",
                                           "reasoning_summary_part.added",
                                           "reasoning_summary_text.delta",
                                           "reasoning_summary_text.delta",
                                           "reasoning_summary_text.done",
                                           "reasoning_summary_part.done",
                                           "output_item.done",
                                           "output_item.added",
                                           "content_part.added",
                                           "output_text.delta",
                                           "output_text.done",
                                           "content_part.done",
                                           "output_item.done",
                                           "output_item.added",
                                           "function_call_arguments.delta",
                                           "function_call_arguments.done",
                                           "output_item.done",
                                           "completed"};
  EXPECT_EQ(types, wanted);
  const Json output = all.back()["response"]["output"];
  ASSERT_EQ(output.size(), 3u);
  EXPECT_EQ(output[0]["summary"][0]["text"], "Let me see.");
  EXPECT_EQ(output[1]["content"][0]["text"], "I ask.");
  EXPECT_EQ(output[2]["arguments"], R"({"a":1})");
  EXPECT_EQ(all[15]["item"]["id"], output[2]["id"]);
}

TEST(Responses, RefusesWhatItCannotKeepOrDo) {
  FakeServer fake;
  const std::pair<Json, const char*> kCases[] = {
      {{{"previous_response_id", "resp_1"}}, "nothing is kept"},
      {{{"conversation", "c"}}, "nothing is kept"},
      {{{"background", true}}, "nothing is kept"},
      {{{"input", Json::array()}}, "list of items"},
      {{{"input", {{{"type", "item_reference"}, {"id", "x"}}}}}, "item_reference"},
      {{{"tools", {{{"type", "web_search"}}}}}, "none of its own"},
      {{{"text", {{"format", {{"type", "json_schema"}, {"schema", {{"oneOf", 1}}}}}}}}, "oneOf"},
      {{{"max_output_tokens", 0}}, "from 1"},
      {{{"surprise", 1}}, "Unrecognized"},
  };
  for (const auto& [change, words] : kCases) {
    Json request = {{"model", "fake"}, {"input", "x"}};
    request.update(change);
    const auto r = fake.client().post("/v1/responses", request);
    EXPECT_EQ(r.status, 400) << change;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
  }
}

TEST(Embeddings, OpenAiAndOllamaGiveThem) {
  FakeServer fake;
  const auto whole =
      fake.client().post("/v1/embeddings", {{"model", "fake"}, {"input", {"one", "three"}}});
  ASSERT_EQ(whole.status, 200) << whole.body;
  const Json j = whole.json();
  EXPECT_EQ(j["data"][1]["index"], 1);
  EXPECT_EQ(j["data"][1]["embedding"].size(), 3u);
  EXPECT_EQ(j["usage"]["prompt_tokens"], 8);
  const Json coded = fake.client()
                         .post("/v1/embeddings", {{"model", "fake"},
                                                  {"input", {1, 2}},
                                                  {"encoding_format", "base64"},
                                                  {"dimensions", 1}})
                         .json();
  EXPECT_EQ(coded["data"][0]["embedding"], "AACAPw==");  // 1.0f
  const Json ollama =
      fake.client()
          .post("/api/embed", {{"model", "fake"}, {"input", "abc"}, {"dimensions", 2}})
          .json();
  EXPECT_EQ(ollama["embeddings"][0][0], 1.0);
  EXPECT_EQ(ollama["prompt_eval_count"], 3);
  const Json old =
      fake.client().post("/api/embeddings", {{"model", "fake"}, {"prompt", "abc"}}).json();
  EXPECT_EQ(old["embedding"].size(), 3u);
  const Json many(600, "abc");  // more than --queue has places
  EXPECT_EQ(fake.client().post("/api/embed", {{"model", "fake"}, {"input", many}}).status, 200);
  const std::string text(1000, 'x');
  EXPECT_EQ(fake.client().post("/api/embed", {{"model", "fake"}, {"input", text}}).status, 200);
  const std::pair<Json, const char*> kWrong[] = {
      {{{"input", text}}, "at most 999"},     {{{"input", ""}}, "empty"},
      {{{"input", nullptr}}, "is wanted"},    {{{"dimensions", 4}}, "the model has 3"},
      {{{"encoding_format", "x"}}, "one of"}, {{{"surprise", 1}}, "Unrecognized"}};
  for (const auto& [change, words] : kWrong) {
    Json request = {{"model", "fake"}, {"input", "x"}};
    request.update(change);
    const auto r = fake.client().post("/v1/embeddings", request);
    EXPECT_EQ(r.status, 400) << change;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
  }
  EXPECT_EQ(fake.client().post("/v1/embeddings", {{"model", "no"}, {"input", "x"}}).status, 404);
}

}  // namespace
}  // namespace r1
