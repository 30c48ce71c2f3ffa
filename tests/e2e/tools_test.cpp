// Tools with the chat templates of real models, in every dialect: what is offered, called and
// answered stands in the prompt as transformers' Jinja2 renders it, and what a model says in its
// own form of a call comes back in the dialect's, whole and in a stream.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "serve/test_client.h"
#include "tests/e2e/serving.h"
#include "tests/e2e/tool_model.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

struct Kind {
  const char *chat_template, *tokenizer, *bos, *eos;
  bool lists_tools;  // DeepSeek's first templates know calls and outputs, and no list
};
constexpr Kind kKinds[] = {
    {"qwen2.5", "qwen3", nullptr, "<|im_end|>", true},
    {"qwen3", "qwen3", nullptr, "<|im_end|>", true},
    {"llama-3.1", "llama-3", "<|begin_of_text|>", "<|eot_id|>", true},
    {"deepseek-v3", "deepseek-v3", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", false},
    {"deepseek-r1", "deepseek-r1", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", false},
};

// An id for each call, which its answer names: of OpenAI's messages that have none.
Json with_ids(Json messages) {
  std::vector<std::string> open;
  int n = 0;
  for (Json& message : messages) {
    if (message.contains("tool_calls")) {
      open.clear();
      for (Json& call : message["tool_calls"])
        open.push_back(call["id"] = fmt::format("call_{}", n++));
    } else if (message["role"] == "tool" && !open.empty()) {
      message["tool_call_id"] = open.front();
      open.erase(open.begin());
    }
  }
  return messages;
}

Json arguments_of(const Json& call) {
  const Json& given = call["function"]["arguments"];
  return given.is_string() ? Json::parse(given.get<std::string>()) : given;
}

Json as_ollama(Json messages) {
  for (Json& message : messages) {
    if (message["content"].is_null()) message["content"] = "";
    if (!message.contains("tool_calls")) continue;
    for (Json& call : message["tool_calls"]) call["function"]["arguments"] = arguments_of(call);
  }
  return messages;
}

// Adds "system" and "messages".
void as_anthropic(const Json& messages, Json& request) {
  Json all = Json::array();
  for (const Json& message : messages) {
    const Json content = message["content"];
    if (message["role"] == "system") {
      request["system"] = content;
    } else if (message["role"] == "tool") {
      const Json block = {
          {"type", "tool_result"}, {"tool_use_id", message["tool_call_id"]}, {"content", content}};
      const bool more = all.back()["role"] == "user" && all.back()["content"].is_array();
      if (!more) all.push_back({{"role", "user"}, {"content", Json::array()}});
      all.back()["content"].push_back(block);
    } else if (message.contains("tool_calls")) {
      Json blocks = Json::array();
      if (content.is_string() && content != "")
        blocks.push_back({{"type", "text"}, {"text", content}});
      for (const Json& call : message["tool_calls"])
        blocks.push_back({{"type", "tool_use"},
                          {"id", call["id"]},
                          {"name", call["function"]["name"]},
                          {"input", arguments_of(call)}});
      all.push_back({{"role", "assistant"}, {"content", blocks}});
    } else {
      all.push_back(message);
    }
  }
  request["messages"] = std::move(all);
}

Json as_anthropic_tools(const Json& tools) {
  Json all = Json::array();
  for (const Json& tool : tools) {
    all.push_back({{"name", tool["function"]["name"]},
                   {"description", tool["function"]["description"]},
                   {"input_schema", tool["function"]["parameters"]}});
  }
  return all;
}

Json weather() {
  return Json::parse(R"([{"type": "function", "function": {"name": "get_weather",
      "description": "Get the current weather in a city.", "parameters": {"type": "object",
      "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer", "minimum": 1,
      "maximum": 9}}, "required": ["city", "days"], "additionalProperties": false}}}])");
}

void check_weather(const Json& arguments) {
  EXPECT_TRUE(arguments["city"] == "Paris" || arguments["city"] == "Rome") << arguments;
  EXPECT_TRUE(arguments["days"] >= 1 && arguments["days"] <= 9) << arguments;
  EXPECT_EQ(arguments.size(), 2u) << arguments;
}

class ToolTemplates : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    const Kind& kind = GetParam();
    if (!make_tool_model(folder / "models/toolbox", kind.chat_template, kind.tokenizer, kind.bos,
                         kind.eos))
      GTEST_SKIP() << "test data absent: templates, tokenizers";
    tokenizer = std::make_unique<Tokenizer>(
        *Tokenizer::from_json(read_test_file(folder / "models/toolbox/tokenizer.json")));
    serving = std::make_unique<Serving>(std::vector<std::string>{
        "--models", folder / "models", "--traces=" + (folder / "traces.db")});
  }

  TestClient client() const { return TestClient(serving->port()); }

  Json ask(const char* path, Json request) const {
    request["model"] = "toolbox";
    const auto r = client().post(path, request);
    EXPECT_EQ(r.status, 200) << r.body << "\n" << request.dump();
    return r.status == 200 ? r.json() : Json();
  }
  std::vector<Json> stream(const char* path, Json request) const {
    request["model"] = "toolbox";
    request["stream"] = true;
    const auto r = client().post(path, request);
    EXPECT_EQ(r.status, 200) << r.body;
    return events(r.body);
  }

  // The text that the last answer went on from, of whatever day.
  std::string prompt() const {
    const Json list = client().get("/traces?limit=1").json();
    const Json trace =
        client().get(fmt::format("/traces/{}", list["traces"][0]["id"].get<int>())).json();
    std::string text;
    for (const Json& id : trace["prompt_ids"]) text += tokenizer->bytes(id.get<int32_t>());
    return undated(text);
  }
  static std::string undated(const std::string& text) {
    static const std::regex kDate("Today Date: [0-9]+ [A-Za-z]+ [0-9]+");
    return std::regex_replace(text, kDate, "Today Date: D");
  }

  const TemporaryFolder folder;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Serving> serving;
};

TEST_P(ToolTemplates, EveryDialectRendersAsTheGolden) {
  std::ifstream lines(find_test_data("templates/golden.jsonl"));
  int n = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json golden = Json::parse(line);
    if (golden["template"] != std::string(GetParam().chat_template) + ".jinja" ||
        golden["tools"].is_null() || golden["add_generation_prompt"] == false)
      continue;
    ++n;
    const std::string wanted = undated(golden["rendered"]);
    const Json messages = with_ids(golden["messages"]);
    const Json tools = GetParam().lists_tools ? golden["tools"] : Json();
    const Json chat = {{"messages", messages}, {"tools", tools}, {"max_tokens", 1}};
    ask("/v1/chat/completions", chat);
    EXPECT_EQ(prompt(), wanted) << golden["id"];
    ask("/api/chat", {{"messages", as_ollama(messages)},
                      {"tools", tools},
                      {"stream", false},
                      {"options", {{"num_predict", 1}}}});
    EXPECT_EQ(prompt(), wanted) << golden["id"];
    Json request = {{"max_tokens", 1}};
    as_anthropic(messages, request);
    if (!tools.is_null()) request["tools"] = as_anthropic_tools(tools);
    ask("/v1/messages", request);
    EXPECT_EQ(prompt(), wanted) << golden["id"];
  }
  EXPECT_GE(n, 3);
}

TEST_P(ToolTemplates, ACallComesBackInEveryDialectsWords) {
  const Json user = {{"role", "user"}, {"content", "How will Rome's weather be?"}};
  Json request = {{"messages", {user}},   {"tools", weather()}, {"tool_choice", "required"},
                  {"thinking_budget", 5}, {"seed", 3},          {"temperature", 1},
                  {"max_tokens", 300}};
  if (!GetParam().lists_tools) {
    request["model"] = "toolbox";
    const auto refused = client().post("/v1/chat/completions", request);
    EXPECT_EQ(refused.status, 400);
    EXPECT_NE(refused.body.find("has no place for them"), std::string::npos) << refused.body;
    return;
  }
  // OpenAI, whole and in a stream.
  const Json choice = ask("/v1/chat/completions", request)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  const Json message = choice["message"];
  ASSERT_EQ(message["tool_calls"].size(), 1u) << message;
  const Json call = message["tool_calls"][0];
  EXPECT_EQ(call["function"]["name"], "get_weather");
  check_weather(arguments_of(call));
  EXPECT_TRUE(message["content"].is_null()) << message;
  std::string name, arguments, finish;
  for (const Json& e : stream("/v1/chat/completions", request)) {
    const Json& one = e["choices"][0];
    if (one["finish_reason"].is_string()) finish = one["finish_reason"];
    for (const Json& part : one["delta"].value("tool_calls", Json::array())) {
      name += part["function"].value("name", "");
      arguments += part["function"].value("arguments", "");
    }
  }
  EXPECT_EQ(finish, "tool_calls");
  EXPECT_EQ(name, "get_weather");
  EXPECT_EQ(Json::parse(arguments), arguments_of(call));  // the same seed

  // Anthropic.
  Json anthropic = {{"messages", {user}},
                    {"tools", as_anthropic_tools(weather())},
                    {"tool_choice", {{"type", "any"}}},
                    {"thinking", {{"type", "disabled"}}},
                    {"max_tokens", 300}};
  const Json said = ask("/v1/messages", anthropic);
  EXPECT_EQ(said["stop_reason"], "tool_use");
  const Json used = said["content"].back();
  EXPECT_EQ(used["type"], "tool_use");
  EXPECT_EQ(used["name"], "get_weather");
  check_weather(used["input"]);
  std::string input, reason;
  for (const Json& e : stream("/v1/messages", anthropic)) {
    if (e["type"] == "content_block_delta" && e["delta"]["type"] == "input_json_delta")
      input += e["delta"]["partial_json"].get<std::string>();
    if (e["type"] == "message_delta") reason = e["delta"]["stop_reason"];
  }
  EXPECT_EQ(reason, "tool_use");
  check_weather(Json::parse(input));

  // Ollama cannot demand a call; with a form beside tools it is the one or the other.
  for (const bool streamed : {false, true}) {
    int calls = 0;
    for (int seed = 0; seed < 40 && calls == 0; ++seed) {
      const Json chat = {
          {"messages", {user}},
          {"tools", weather()},
          {"format", {{"const", 7}}},
          {"think", GetParam().chat_template == std::string("qwen3") ? Json(false) : Json()},
          {"stream", streamed},
          {"options", {{"seed", seed}, {"temperature", 1}, {"num_predict", 300}}}};
      const auto lines =
          streamed ? stream("/api/chat", chat) : std::vector<Json>{ask("/api/chat", chat)};
      std::string content;
      for (const Json& line : lines) {
        content += line["message"]["content"].get<std::string>();
        for (const Json& one : line["message"].value("tool_calls", Json::array())) {
          ++calls;
          EXPECT_EQ(one["function"]["name"], "get_weather");
          check_weather(one["function"]["arguments"]);
        }
      }
      EXPECT_EQ(content, calls > 0 ? "" : "7");
    }
    EXPECT_EQ(calls, 1) << streamed;
  }

  // What the tool said goes back, and stands in the prompt after the call.
  const Json answer = {{"role", "tool"}, {"tool_call_id", call["id"]}, {"content", "27 and sunny"}};
  ask("/v1/chat/completions",
      {{"messages", {user, message, answer}}, {"tools", weather()}, {"max_tokens", 1}});
  const std::string openai = prompt();
  const size_t city = openai.rfind(arguments_of(call)["city"].get<std::string>());
  const size_t told = openai.rfind("27 and sunny");
  EXPECT_LT(openai.rfind("get_weather", city), city);
  EXPECT_LT(city, told);
  EXPECT_NE(told, std::string::npos) << openai;
  Json back = {{"max_tokens", 1}, {"tools", as_anthropic_tools(weather())}};
  as_anthropic({user, message, answer}, back);
  ask("/v1/messages", back);
  EXPECT_EQ(prompt(), openai);
}

INSTANTIATE_TEST_SUITE_P(Real, ToolTemplates, testing::ValuesIn(kKinds), [](const auto& test) {
  std::string name = test.param.chat_template;
  std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
  return name;
});

}  // namespace
}  // namespace r1
