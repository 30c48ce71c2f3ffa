// Tools in every dialect: what arrives at the model, what it says as calls, whole and in streams.
#include "serve/tools.h"

#include "serve/dialects.h"
#include "serve/test_client.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

Json weather() {
  return {{"type", "function"},
          {"function",
           {{"name", "weather"},
            {"description", "of a place"},
            {"parameters",
             {{"type", "object"},
              {"properties", {{"city", {{"type", "string"}}}, {"days", {{"type", "integer"}}}}},
              {"required", {"city"}}}}}}};
}

Tools tools_of(Json list) { return {.list = std::move(list)}; }

struct Talked {
  std::string text;
  std::vector<ToolCall> calls;
};

// Said in pieces of `step` bytes.
Talked talk(std::string_view in_template, std::string_view text, size_t step) {
  const ToolFormat* format = ToolFormat::of(in_template);
  EXPECT_NE(format, nullptr);
  const Tools tools = tools_of({weather()});
  CallReader reader(*format, tools);
  Talked all;
  const auto add = [&](CallReader::Said said) {
    all.text += said.text;
    for (ToolCall& call : said.calls) all.calls.push_back(std::move(call));
  };
  for (size_t at = 0; at < text.size(); at += step) add(reader.feed(text.substr(at, step)));
  add(reader.finish());
  return all;
}

constexpr const char *kHermes = "<tool_call>", *kDeepSeek = "<｜tool▁calls▁begin｜>",
                     *kLlama = "{\"name\": function name, \"parameters\":";

TEST(Tools, CallsAreTakenOutOfTheTextHoweverItIsCut) {
  struct Case {
    const char *in_template, *said, *text;
    std::vector<const char*> arguments;
  };
  const Case cases[] = {
      {kHermes,
       "Let me look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Bonn\"}}\n"
       "</tool_call>\n<tool_call>{\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": "
       "\\\"Köln\\\"}\"}"
       "</tool_call>\n",
       "Let me look.",
       {R"({"city":"Bonn"})", R"({"city":"Köln"})"}},
      {kHermes, "<tool_call>{\"name\": \"weather\", \"arguments\": {}}", "", {"{}"}},
      {kHermes, "a < b <tool> c", "a < b <tool> c", {}},
      {kHermes, "<tool_call>{broken}</tool_call> ok", "<tool_call>{broken}</tool_call> ok", {}},
      {kHermes,
       "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>",
       "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>",
       {}},
      {kDeepSeek,
       "So:\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n"
       "{\"city\": "
       "\"Bonn\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n"
       "```json\n{\"city\": \"Ulm\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
       "So:",
       {R"({"city":"Bonn"})", R"({"city":"Ulm"})"}},
      {kDeepSeek,
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{\"city\": "
       "\"Bonn\"}<｜tool▁call▁end｜>",
       "",
       {R"({"city":"Bonn"})"}},
      {kLlama,
       "{\"name\": \"weather\", \"parameters\": {\"city\": \"Bonn\"}}",
       "",
       {R"({"city":"Bonn"})"}},
      {kLlama,
       "Sunny {\"name\": \"weather\", \"parameters\": {}}",
       "Sunny {\"name\": \"weather\", \"parameters\": {}}",
       {}},
      {kLlama, "{\"a\": 1}", "{\"a\": 1}", {}},
  };
  for (const Case& c : cases) {
    for (const size_t step : {size_t{1}, size_t{3}, size_t{7}, std::string_view(c.said).size()}) {
      const Talked all = talk(c.in_template, c.said, step);
      EXPECT_EQ(all.text, c.text) << c.said << " by " << step;
      ASSERT_EQ(all.calls.size(), c.arguments.size()) << c.said << " by " << step;
      for (size_t i = 0; i < all.calls.size(); ++i) {
        EXPECT_EQ(all.calls[i].name, "weather");
        EXPECT_EQ(all.calls[i].arguments.dump(), c.arguments[i]);
        EXPECT_TRUE(all.calls[i].id.starts_with("call_"));
      }
    }
  }
}

TEST(Tools, EveryFormatIsFoundInItsTemplate) {
  for (const auto& [name, begin] : {std::pair{"deepseek-v3", kDeepSeek},
                                    {"deepseek-r1", kDeepSeek},
                                    {"qwen2.5", kHermes},
                                    {"qwen3", kHermes},
                                    {"llama-3.1", ""}}) {
    R1_TEST_DATA(path, fmt::format("templates/{}.jinja", name));
    const ToolFormat* format = ToolFormat::of(read_test_file(path));
    ASSERT_NE(format, nullptr) << name;
    EXPECT_EQ(format->begin, begin) << name;
  }
  EXPECT_EQ(ToolFormat::of("{{ messages[0].content }}"), nullptr);
}

// What the grammar of a call lets through is read back as that call.
TEST(Tools, ACallThatIsWishedForIsOneThatIsRead) {
  for (const char* in_template : {kHermes, kDeepSeek, kLlama}) {
    const ToolFormat& format = *ToolFormat::of(in_template);
    Tools tools = tools_of({weather()});
    const Json frames = call_frames(format, tools);
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_TRUE(make_grammar({{"any_of", frames}}));
    const std::string said = frames[0]["before"].get<std::string>() +
                             R"({"city": "Rom", "days": 2})" +
                             frames[0]["after"].get<std::string>();
    const Talked all = talk(in_template, said, 5);
    ASSERT_EQ(all.calls.size(), 1u) << said;
    EXPECT_EQ(all.calls[0].arguments["days"], 2);
    EXPECT_EQ(all.text, "");
    tools.list[0]["function"]["parameters"]["not"] = Json::object();
    EXPECT_EQ(call_frames(format, tools)[0]["schema"], Json({{"type", "object"}}));
  }
}

std::shared_ptr<FakeModel::Script> calling(FakeServer& fake) {
  fake.script->chat_template = kHermes;
  fake.script->pieces = {{.thought = "Look.", .answer = "", .tokens = {}},
                         {.thought = "", .answer = "I ask.\n<tool_", .tokens = {}},
                         {.thought = "",
                          .answer = "call>{\"name\": \"weather\", \"arguments\": {\"city\"",
                          .tokens = {}},
                         {.thought = "", .answer = ": \"Bonn\"}}</tool_call>", .tokens = {}}};
  return fake.script;
}

TEST(Tools, OpenAiCallsWholeAndInAStream) {
  FakeServer fake;
  const auto script = calling(fake);
  Json request = chat_request("How is Bonn?");
  request["tools"] = {weather()};
  const auto r = fake.client().post("/v1/chat/completions", request);
  ASSERT_EQ(r.status, 200) << r.body;
  const Json choice = r.json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "I ask.");
  EXPECT_EQ(choice["message"]["reasoning_content"], "Look.");
  const Json call = choice["message"]["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "weather");
  EXPECT_EQ(call["function"]["arguments"], R"({"city":"Bonn"})");
  EXPECT_EQ(script->tools[0]["function"]["description"], "of a place");

  request["stream"] = true;
  std::string content, name, arguments;
  Json last;
  for (const Json& e : events(fake.client().post("/v1/chat/completions", request).body)) {
    last = e["choices"][0];
    content += last["delta"].value("content", "");
    if (!last["delta"].contains("tool_calls")) continue;
    const Json delta = last["delta"]["tool_calls"][0];
    EXPECT_EQ(delta["index"], 0);
    name += delta["function"].value("name", "");
    arguments += delta["function"].value("arguments", "");
  }
  EXPECT_EQ(content, "I ask.");
  EXPECT_EQ(name, "weather");
  EXPECT_EQ(arguments, R"({"city":"Bonn"})");
  EXPECT_EQ(last["finish_reason"], "tool_calls");

  request["tool_choice"] = "none";
  const auto none = events(fake.client().post("/v1/chat/completions", request).body);
  EXPECT_TRUE(script->tools.is_null());
  EXPECT_EQ(none.back()["choices"][0]["finish_reason"], "stop");
}

TEST(Tools, WhatAToolSaidArrivesAsTheTemplateTakesIt) {
  FakeServer fake;
  const auto script = calling(fake);
  Json request = chat_request("How is Bonn?");
  request["tools"] = {weather()};
  request["messages"].push_back(
      {{"role", "assistant"},
       {"content", nullptr},
       {"tool_calls",
        {{{"id", "c1"},
          {"type", "function"},
          {"function", {{"name", "weather"}, {"arguments", "{\"city\": \"Bonn\"}"}}}}}}});
  request["messages"].push_back({{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "sunny"}});
  ASSERT_EQ(fake.client().post("/v1/chat/completions", request).status, 200);
  EXPECT_EQ(script->messages[1]["tool_calls"][0]["function"]["arguments"]["city"], "Bonn");
  EXPECT_EQ(script->messages[2]["role"], "tool");
  const Json openai = script->messages;

  const Json anthropic = {
      {"model", "fake"},
      {"max_tokens", 100},
      {"tools", {{{"name", "weather"}, {"input_schema", weather()["function"]["parameters"]}}}},
      {"messages",
       {{{"role", "user"}, {"content", "How is Bonn?"}},
        {{"role", "assistant"},
         {"content",
          {{{"type", "thinking"}, {"thinking", "Look."}, {"signature", ""}},
           {{"type", "tool_use"},
            {"id", "c1"},
            {"name", "weather"},
            {"input", {{"city", "Bonn"}}}}}}},
        {{"role", "user"},
         {"content",
          {{{"type", "tool_result"},
            {"tool_use_id", "c1"},
            {"content", {{{"type", "text"}, {"text", "sunny"}}}}}}}}}}};
  const auto r = fake.client().post("/v1/messages", anthropic);
  ASSERT_EQ(r.status, 200) << r.body;
  EXPECT_EQ(script->messages, openai);
  const Json content = r.json()["content"];
  EXPECT_EQ(content[0]["type"], "thinking");
  EXPECT_EQ(content[1]["text"], "I ask.");
  EXPECT_EQ(content[2]["type"], "tool_use");
  EXPECT_EQ(content[2]["input"]["city"], "Bonn");
  EXPECT_EQ(r.json()["stop_reason"], "tool_use");
}

TEST(Tools, AnthropicStreamsACallAsABlock) {
  FakeServer fake;
  calling(fake);
  const Json request = {{"model", "fake"},
                        {"max_tokens", 100},
                        {"stream", true},
                        {"tool_choice", {{"type", "auto"}}},
                        {"tools", {{{"name", "weather"}, {"input_schema", {{"type", "object"}}}}}},
                        {"messages", {{{"role", "user"}, {"content", "How is Bonn?"}}}}};
  std::string types, input;
  int open = -1;
  for (const Json& e : events(fake.client().post("/v1/messages", request).body)) {
    if (e["type"] == "content_block_start") {
      EXPECT_EQ(e["index"], ++open);
      types += e["content_block"]["type"].get<std::string>() + " ";
    }
    if (e["type"] == "content_block_delta" && e["delta"]["type"] == "input_json_delta")
      input += e["delta"]["partial_json"].get<std::string>();
    if (e["type"] == "message_delta") {
      EXPECT_EQ(e["delta"]["stop_reason"], "tool_use");
    }
  }
  EXPECT_EQ(types, "thinking text tool_use ");
  EXPECT_EQ(input, R"({"city":"Bonn"})");
}

TEST(Tools, OllamaCallsHaveObjects) {
  FakeServer fake;
  const auto script = calling(fake);
  Json request = chat_request("How is Bonn?");
  request["tools"] = {weather()};
  const Json j = fake.client().post("/api/chat", request).json();
  EXPECT_EQ(j["message"]["content"], "I ask.");
  EXPECT_EQ(j["message"]["tool_calls"][0]["function"]["arguments"]["city"], "Bonn");
  request["stream"] = true;
  request["messages"].push_back(
      {{"role", "assistant"},
       {"content", ""},
       {"tool_calls", {{{"function", {{"name", "weather"}, {"arguments", {{"city", "Ulm"}}}}}}}}});
  request["messages"].push_back({{"role", "tool"}, {"tool_name", "weather"}, {"content", "wet"}});
  const auto lines = events(fake.client().post("/api/chat", request).body);
  int calls = 0;
  for (const Json& line : lines) calls += line["message"].contains("tool_calls");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(script->messages[1]["tool_calls"][0]["function"]["arguments"]["city"], "Ulm");
}

TEST(Tools, AWishedCallIsAGrammarAndAModelWithoutToolsSaysSo) {
  FakeServer fake;
  Json request = chat_request("How is Bonn?");
  request["tools"] = {weather()};
  const auto refused = fake.client().post("/v1/chat/completions", request);
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("'fake' does not support tools"), std::string::npos) << refused.body;
  calling(fake);
  ASSERT_EQ(fake.client().post("/v1/chat/completions", request).status, 200);
  EXPECT_EQ(fake.script->params.grammar, nullptr);
  request["tool_choice"] = {{"type", "function"}, {"function", {{"name", "weather"}}}};
  ASSERT_EQ(fake.client().post("/v1/chat/completions", request).status, 200);
  ASSERT_NE(fake.script->params.grammar, nullptr);
  EXPECT_NE(fake.script->params.grammar->spec.find("<tool_call>"), std::string::npos);
  request["tool_choice"] = "auto";
  request["response_format"] = {{"type", "json_object"}};
  ASSERT_EQ(fake.client().post("/v1/chat/completions", request).status, 200);
  EXPECT_EQ(Json::parse(fake.script->params.grammar->spec)["any_of"].size(), 2u);
  request["response_format"] = {{"type", "regex"}, {"regex", "a+"}};
  EXPECT_EQ(fake.client().post("/v1/chat/completions", request).status, 400);

  const std::pair<Json, const char*> kWrong[] = {
      {{{"tools", {weather(), weather()}}}, "two of this name"},
      {{{"tools", {{{"type", "function"}, {"function", {{"name", "a b"}}}}}}}, "letters"},
      {{{"tool_choice", {{"type", "function"}, {"function", {{"name", "x"}}}}}},
       "one of the tools"},
      {{{"functions", {1}}}, "use tools"},
      {{{"messages",
         {{{"role", "assistant"},
           {"content", ""},
           {"tool_calls", {{{"function", {{"name", "f"}, {"arguments", "{"}}}}}}}}}},
       "JSON object of arguments"},
  };
  for (const auto& [change, words] : kWrong) {
    Json wrong = chat_request("x");
    wrong["tools"] = {weather()};
    wrong.update(change);
    const auto r = fake.client().post("/v1/chat/completions", wrong);
    EXPECT_EQ(r.status, 400) << change;
    EXPECT_NE(r.body.find(words), std::string::npos) << r.body;
  }
}

TEST(Formats, EveryDialectsFormatIsAGrammar) {
  FakeServer fake;
  const Json schema = {{"type", "object"}, {"properties", {{"a", {{"type", "integer"}}}}}};
  const auto spec = [&](const char* path, Json request) {
    fake.script->params.grammar = nullptr;
    const auto r = fake.client().post(path, request);
    EXPECT_EQ(r.status, 200) << r.body;
    return fake.script->params.grammar ? fake.script->params.grammar->spec : "";
  };
  const std::string wanted = Json({{"json_schema", schema}}).dump();
  Json request = chat_request("x");
  request["response_format"] = {
      {"type", "json_schema"},
      {"json_schema", {{"name", "s"}, {"strict", true}, {"schema", schema}}}};
  EXPECT_EQ(spec("/v1/chat/completions", request), wanted);
  request["response_format"] = {{"type", "text"}};
  EXPECT_EQ(spec("/v1/chat/completions", request), "");
  request["response_format"] = {{"type", "grammar"}, {"grammar", "root ::= \"a\""}};
  EXPECT_EQ(spec("/v1/chat/completions", request), R"({"gbnf":"root ::= \"a\""})");
  request.erase("response_format");
  request["format"] = schema;
  EXPECT_EQ(spec("/api/chat", request), wanted);
  request["format"] = "json";
  EXPECT_EQ(spec("/api/chat", request), R"({"json_schema":{"type":"object"}})");
  EXPECT_EQ(spec("/api/generate", {{"model", "fake"},
                                   {"prompt", "x"},
                                   {"stream", false},
                                   {"format", {{"type", "regex"}, {"regex", "a"}}}}),
            R"({"regex":"a"})");
  request.erase("format");
  request["max_tokens"] = 9;
  request["output_config"] = {{"format", {{"type", "json_schema"}, {"schema", schema}}}};
  EXPECT_EQ(spec("/v1/messages", request), wanted);
}

}  // namespace
}  // namespace r1
