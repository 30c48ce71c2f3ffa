// The dialects through the whole server with a model that says what it is told; the gate; and law 1
// through HTTP with a real one.
#include "serve/server.h"

#include <filesystem>
#include <future>

#include "base/file.h"
#include "serve/dialects.h"
#include "serve/test_client.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

TEST(OpenAi, AnswersWithTheThoughtBesideTheContent) {
  FakeServer fake;
  const auto r = fake.client().post("/v1/chat/completions", chat_request("2+2?"));
  ASSERT_EQ(r.status, 200) << r.body;
  const Json j = r.json();
  EXPECT_EQ(j["object"], "chat.completion");
  EXPECT_EQ(j["model"], "fake");
  EXPECT_EQ(j["choices"][0]["message"]["content"], "Four it is.");
  EXPECT_EQ(j["choices"][0]["message"]["reasoning_content"], "Let me see.");
  EXPECT_EQ(j["choices"][0]["finish_reason"], "stop");
  const Json& usage = j["usage"];
  EXPECT_EQ(usage["prompt_tokens"], 10);
  EXPECT_EQ(usage["completion_tokens"], 8);
  EXPECT_EQ(usage["total_tokens"], 18);
  EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"], 3);
  EXPECT_EQ(usage["prompt_cache_hit_tokens"], 4);
  EXPECT_EQ(usage["prompt_cache_miss_tokens"], 6);
}

TEST(OpenAi, StreamsThoughtThenContentThenUsage) {
  FakeServer fake;
  Json request = chat_request("2+2?", true);
  request["stream_options"] = {{"include_usage", true}};
  const auto r = fake.client().post("/v1/chat/completions", request);
  EXPECT_NE(r.head.find("Content-Type: text/event-stream"), std::string::npos);
  EXPECT_TRUE(r.body.ends_with("data: [DONE]\n\n"));
  const auto all = events(r.body);
  ASSERT_EQ(all.size(), 7u);
  EXPECT_EQ(all[0]["choices"][0]["delta"]["role"], "assistant");
  std::string thought, content;
  for (const Json& e : all) {
    EXPECT_EQ(e["object"], "chat.completion.chunk");
    if (e["choices"].empty()) continue;
    thought += e["choices"][0]["delta"].value("reasoning_content", "");
    content += e["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(thought, "Let me see.");
  EXPECT_EQ(content, "Four it is.");
  EXPECT_EQ(all[5]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(all[6]["choices"].empty());
  EXPECT_EQ(all[6]["usage"]["total_tokens"], 18);
}

// vLLM's continuous_usage_stats, and llama-server's timings at the end.
TEST(OpenAi, EveryChunkTellsOfTheTokensSoFar) {
  FakeServer fake;
  int64_t tokens = 0;
  for (Piece& piece : fake.script->pieces) {
    piece.generated_tokens = tokens += 2;  // as of a step whose guess held
    piece.thought_tokens = std::min<int64_t>(tokens, 3);
  }
  Json request = chat_request("2+2?", true);
  request["stream_options"] = {{"include_usage", true}, {"continuous_usage_stats", true}};
  const auto all = events(fake.client().post("/v1/chat/completions", request).body);
  ASSERT_EQ(all.size(), 7u);
  const int64_t made[] = {0, 2, 4, 6, 8, 8, 8}, thought[] = {0, 2, 3, 3, 3, 3, 3};
  for (size_t i = 0; i < all.size(); ++i) {
    const Json& usage = all[i]["usage"];
    EXPECT_EQ(usage["completion_tokens"], made[i]) << i;
    EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"], thought[i]) << i;
  }
  EXPECT_EQ(all[1]["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(all[6]["timings"]["predicted_n"], 8);
  EXPECT_EQ(all[6]["timings"]["predicted_per_second"], 7 / 2.0);  // the first one is not timed
  EXPECT_EQ(all[6]["timings"]["cache_n"], 4);
  request["stream"] = false;
  request.erase("stream_options");
  EXPECT_EQ(fake.client().post("/v1/chat/completions", request).json()["timings"]["prompt_n"], 6);
}

TEST(OpenAi, EveryParameterArrives) {
  FakeServer fake;
  Json request = chat_request("x");
  request.update({{"temperature", 0.5},
                  {"top_p", 0.25},
                  {"presence_penalty", 1},
                  {"frequency_penalty", -1},
                  {"max_completion_tokens", 77},
                  {"stop", {"a", "b"}},
                  {"seed", -5},
                  {"logit_bias", {{"7", -100}}},
                  {"reasoning_effort", "low"},
                  {"logprobs", true},
                  {"top_logprobs", 3},
                  {"user", "me"}});
  fake.script->pieces = {
      {.thought = "",
       .answer = "A",
       .tokens = {{.id = 65, .logprob = -0.5f, .top = {{65, -0.5f}, {66, -2.0f}}}}}};
  const auto r = fake.client().post("/v1/chat/completions", request);
  ASSERT_EQ(r.status, 200) << r.body;
  const GenerateParams& p = fake.script->params;
  EXPECT_EQ(p.sampling.temperature, 0.5f);
  EXPECT_EQ(p.sampling.top_p, 0.25f);
  EXPECT_EQ(p.sampling.presence_penalty, 1);
  EXPECT_EQ(p.sampling.frequency_penalty, -1);
  EXPECT_EQ(p.sampling.seed, static_cast<uint64_t>(-5));
  EXPECT_EQ(p.sampling.logit_bias, (std::vector<std::pair<int32_t, float>>{{7, -100.f}}));
  EXPECT_EQ(p.max_tokens, 77);
  EXPECT_EQ(p.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(p.think_budget, 1024);
  EXPECT_EQ(p.top_logprobs, 3);
  const Json token = r.json()["choices"][0]["logprobs"]["content"][0];
  EXPECT_EQ(token["token"], "A");
  EXPECT_EQ(token["logprob"], -0.5);
  EXPECT_EQ(token["bytes"], Json::array({65}));
  EXPECT_EQ(token["top_logprobs"][1]["token"], "B");
}

TEST(OpenAi, EveryChoiceHasItsSeed) {
  FakeServer fake;
  Json request = chat_request("x");
  request["n"] = 3;
  request["seed"] = 40;
  const Json j = fake.client().post("/v1/chat/completions", request).json();
  ASSERT_EQ(j["choices"].size(), 3u);
  EXPECT_EQ(j["choices"][2]["index"], 2);
  EXPECT_EQ(j["usage"]["prompt_tokens"], 10);
  EXPECT_EQ(j["usage"]["completion_tokens"], 24);
  EXPECT_EQ(fake.script->params.sampling.seed, 42u);
}

TEST(OpenAi, WrongValuesAreToldWithParameterAndLimit) {
  FakeServer fake;
  struct Case {
    Json change;
    std::string param, words;
    int status = 400;
  };
  const Case cases[] = {
      {{{"temperature", 2.5}}, "temperature", "from 0 to 2"},
      {{{"temperature", "hot"}}, "temperature", "found string"},
      {{{"top_p", -0.1}}, "top_p", "from 0 to 1"},
      {{{"n", 0}}, "n", "from 1 to 128"},
      {{{"n", 1.5}}, "n", "whole number"},
      {{{"n", 18446744073709551615u}}, "n", "from 1 to 128"},
      {{{"max_tokens", -1}}, "max_tokens", "from 1"},
      {{{"logprobs", false}, {"top_logprobs", 2}}, "top_logprobs", "only with"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, "top_logprobs", "from 0 to 20"},
      {{{"logit_bias", {{"x", 1}}}}, "logit_bias", "token id"},
      {{{"logit_bias", {{"300", 1}}}}, "logit_bias", "0 to 255"},
      {{{"stop", {""}}}, "stop", "not empty"},
      {{{"reasoning_effort", "huge"}}, "reasoning_effort", "one of"},
      {{{"response_format", {{"type", "xml"}}}}, "response_format.type", "one of"},
      {{{"response_format", {{"type", "json_schema"}}}}, "response_format.schema", "wanted"},
      {{{"response_format",
         {{"type", "json_schema"}, {"json_schema", {{"schema", {{"not", Json::object()}}}}}}}},
       "response_format.json_schema.schema",
       "\"not\" is not understood"},
      {{{"response_format", {{"type", "grammar"}, {"grammar", "root ::= x"}}}},
       "response_format.grammar",
       "x is used and never defined"},
      {{{"tools", {{{"type", "function"}}}}}, "tools[0].function", "missing"},
      {{{"tool_choice", "required"}}, "tool_choice", "only with tools"},
      {{{"surprise", 1}}, "surprise", "Unrecognized"},
      {{{"messages", Json::array()}}, "messages", "at least one"},
      {{{"messages", {{{"role", "robot"}, {"content", "x"}}}}}, "messages[0].role", "one of"},
      {{{"messages", {{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}}}},
       "messages[0].content",
       "type text"},
      {{{"messages", {{{"role", "user"}, {"content", std::string(1000, 'x')}}}}},
       "messages",
       "the context holds 1000"},
      {{{"model", "other"}}, "model", "not found", 404},
  };
  for (const Case& c : cases) {
    Json request = chat_request("x");
    request.update(c.change);
    const auto r = fake.client().post("/v1/chat/completions", request);
    EXPECT_EQ(r.status, c.status) << c.change;
    const Json e = r.json()["error"];
    EXPECT_EQ(e["param"], c.param) << r.body;
    EXPECT_NE(e["message"].get<std::string>().find(c.words), std::string::npos) << r.body;
  }
  TestClient client = fake.client();
  for (const std::string body : {"{", "[]", "\xff", "{\"a\":1e999}"}) {
    client.send(fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
        body.size(), body));
    EXPECT_EQ(client.read_response().status, 400) << body;
  }
  EXPECT_EQ(fake.script->submitted, 0);
}

TEST(OpenAi, CompletesTextsAsTheyStand) {
  FakeServer fake;
  fake.script->pieces = {{.thought = "", .answer = " ends", .tokens = {}}};
  const auto r = fake.client().post(
      "/v1/completions", {{"model", "fake"}, {"prompt", {"one", "two"}}, {"n", 2}, {"echo", true}});
  ASSERT_EQ(r.status, 200) << r.body;
  const Json j = r.json();
  ASSERT_EQ(j["choices"].size(), 4u);
  EXPECT_EQ(j["choices"][0]["text"], "one ends");
  EXPECT_EQ(j["choices"][3]["text"], "two ends");
  EXPECT_FALSE(fake.script->params.split_thought);
  EXPECT_EQ(fake.script->params.max_tokens, 16);
  const auto ids = fake.client().post("/v1/completions",
                                      {{"model", "fake"}, {"prompt", {1, 2}}, {"stream", true}});
  EXPECT_EQ(events(ids.body).back()["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(fake.client().post("/v1/completions", {{"model", "fake"}, {"prompt", {1, 999}}}).status,
            400);
  EXPECT_EQ(fake.client().post("/v1/completions", {{"model", "fake"}, {"prompt", nullptr}}).status,
            400);
}

TEST(OpenAi, AFailureInAStreamIsItsLastEvent) {
  FakeServer fake;
  fake.script->failure = "secret path /home/me";
  const auto r = fake.client().post("/v1/chat/completions", chat_request("x", true));
  EXPECT_EQ(events(r.body).back()["error"]["type"], "server_error");
  EXPECT_EQ(r.body.find("secret"), std::string::npos);
  const auto whole = fake.client().post("/v1/chat/completions", chat_request("x"));
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(whole.body.find("secret"), std::string::npos);
}

TEST(DeepSeek, SpeaksAsItsServiceDoes) {
  FakeServer fake;
  Json request = chat_request("x", true);
  request["model"] = "deepseek-reasoner";
  request["temperature"] = 0.1;  // accepted, without effect
  request["unheard_of"] = true;  // passed over
  const auto r = fake.client().post("/chat/completions", request);
  ASSERT_EQ(r.status, 200) << r.body;
  const Json last = events(r.body).back();
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(last["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
  EXPECT_EQ(fake.script->params.sampling.temperature, SamplingParams{}.temperature);
  request["logprobs"] = true;
  EXPECT_EQ(fake.client().post("/chat/completions", request).status, 422);
  EXPECT_EQ(fake.client().get("/models").json()["data"][0]["id"], "fake");
}

TEST(DeepSeek, ContinuesAPrefix) {
  FakeServer fake;
  Json request = chat_request("x");
  request["messages"].push_back(
      {{"role", "assistant"}, {"content", "So"}, {"reasoning_content", "Hm"}, {"prefix", true}});
  ASSERT_EQ(fake.client().post("/beta/chat/completions", request).status, 200);
  ASSERT_TRUE(fake.script->begun);
  EXPECT_EQ(fake.script->begun->answer, "So");
  EXPECT_EQ(fake.script->begun->thought, "Hm");
  EXPECT_EQ(fake.script->messages.size(), 1u);
}

TEST(DeepSeek, ThoughtsSentBackAreDroppedOrRefused) {
  Json request = chat_request("x");
  request["messages"].push_back(
      {{"role", "assistant"}, {"content", "So"}, {"reasoning_content", "Hm"}});
  request["messages"].push_back({{"role", "user"}, {"content", "y"}});
  FakeServer lenient;
  ASSERT_EQ(lenient.client().post("/chat/completions", request).status, 200);
  EXPECT_FALSE(lenient.script->messages[1].contains("reasoning_content"));
  ServerOptions options;
  options.strict_reasoning = true;
  FakeServer strict(options);
  const auto r = strict.client().post("/chat/completions", request);
  EXPECT_EQ(r.status, 400);
  EXPECT_EQ(r.json()["error"]["param"], "messages[1].reasoning_content");
}

TEST(Ollama, StreamsLinesWithTheThought) {
  FakeServer fake;
  Json request = chat_request("x");
  request.erase("stream");  // on by default
  request["options"] = {{"temperature", 0}, {"num_predict", 5}, {"num_ctx", 4096}, {"stop", {"q"}}};
  const auto r = fake.client().post("/api/chat", request);
  ASSERT_EQ(r.status, 200) << r.body;
  EXPECT_NE(r.head.find("application/x-ndjson"), std::string::npos);
  const auto all = events(r.body);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0]["message"]["thinking"], "Let me");
  EXPECT_EQ(all[2]["message"]["content"], "Four");
  EXPECT_EQ(all[4]["done"], true);
  EXPECT_EQ(all[4]["done_reason"], "stop");
  EXPECT_EQ(all[4]["prompt_eval_count"], 10);
  EXPECT_EQ(all[4]["eval_count"], 8);
  EXPECT_EQ(fake.script->params.max_tokens, 5);
  request["think"] = false;
  EXPECT_EQ(fake.client().post("/api/chat", request).body.find("thinking"), std::string::npos);
  EXPECT_EQ(fake.script->think, Think::kOff);
}

TEST(Ollama, GeneratesLoadsAndLists) {
  FakeServer fake;
  TestClient client = fake.client();
  const Json g =
      client
          .post("/api/generate",
                {{"model", "fake:latest"}, {"prompt", "x"}, {"system", "s"}, {"stream", false}})
          .json();
  EXPECT_EQ(g["response"], "Four it is.");
  EXPECT_EQ(g["thinking"], "Let me see.");
  EXPECT_EQ(fake.script->messages[0]["role"], "system");
  client.post("/api/generate",
              {{"model", "fake"}, {"prompt", "raw"}, {"raw", true}, {"stream", false}});
  EXPECT_EQ(fake.script->text, "raw");
  EXPECT_EQ(client.post("/api/generate", {{"model", "fake"}}).json()["done_reason"], "load");
  EXPECT_EQ(
      client.post("/api/generate", {{"model", "fake"}, {"keep_alive", "0"}}).json()["done_reason"],
      "unload");
  EXPECT_EQ(client.get("/api/tags").json()["models"][0]["name"], "fake");
  EXPECT_EQ(client.get("/api/ps").json()["models"][0]["context_length"], 1000);
  EXPECT_EQ(client.get("/").body, "Ollama is running");
  EXPECT_TRUE(client.get("/api/version").json().contains("version"));
  EXPECT_EQ(client.post("/api/show", {{"model", "none"}}).status, 404);
  EXPECT_EQ(client
                .post("/api/chat",
                      {{"model", "none"}, {"messages", {{{"role", "user"}, {"content", "x"}}}}})
                .status,
            404);
  const auto bad = client.post("/api/generate",
                               {{"model", "fake"}, {"prompt", "x"}, {"options", {{"top_p", 2}}}});
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.json()["error"], "options.top_p is 2: it must be from 0 to 1");
  EXPECT_EQ(
      client.post("/api/generate", {{"model", "fake"}, {"prompt", "x"}, {"keep_alive", "5 moons"}})
          .status,
      400);
}

TEST(Anthropic, BlocksOfThinkingThenText) {
  FakeServer fake;
  Json request = chat_request("x");
  request["max_tokens"] = 2000;
  request["system"] = Json::array({{{"type", "text"}, {"text", "be"}}});
  request["thinking"] = {{"type", "enabled"}, {"budget_tokens", 1024}};
  const Json j = fake.client().post("/v1/messages", request).json();
  EXPECT_EQ(j["content"][0]["type"], "thinking");
  EXPECT_EQ(j["content"][0]["thinking"], "Let me see.");
  EXPECT_EQ(j["content"][1]["text"], "Four it is.");
  EXPECT_EQ(j["stop_reason"], "end_turn");
  EXPECT_EQ(j["usage"]["output_tokens"], 8);
  EXPECT_EQ(fake.script->messages[0]["content"], "be");
  EXPECT_EQ(fake.script->params.think_budget, 1024);

  request["stream"] = true;
  std::string types;
  for (const Json& e : events(fake.client().post("/v1/messages", request).body))
    types += e["type"].get<std::string>() +
             (e.contains("index") ? fmt::format(" {}", e["index"].get<int>()) : "") + "\n";
  EXPECT_EQ(
      types,
      "message_start\ncontent_block_start 0\ncontent_block_delta 0\ncontent_block_delta 0\n"
      "content_block_delta 0\ncontent_block_stop 0\ncontent_block_start 1\ncontent_block_delta 1\n"
      "content_block_delta 1\ncontent_block_stop 1\nmessage_delta\nmessage_stop\n");
}

TEST(Anthropic, StopsCountsPrefillsAndRefuses) {
  FakeServer fake;
  TestClient client = fake.client();
  Json request = chat_request("hello");
  EXPECT_EQ(
      client
          .post("/v1/messages/count_tokens", {{"model", "fake"}, {"messages", request["messages"]}})
          .json()["input_tokens"],
      5);
  const auto missing = client.post("/v1/messages", request);
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(missing.json()["error"]["type"], "invalid_request_error");
  EXPECT_EQ(missing.json()["error"]["message"], "max_tokens: Field required");
  request["max_tokens"] = 100;
  fake.script->stopped_by = "END";
  request["messages"].push_back({{"role", "assistant"}, {"content", "It"}});
  const Json j = client.post("/v1/messages", request).json();
  EXPECT_EQ(j["stop_reason"], "stop_sequence");
  EXPECT_EQ(j["stop_sequence"], "END");
  EXPECT_EQ(fake.script->begun->answer, "It");
  request["thinking"] = {{"type", "enabled"}, {"budget_tokens", 1024}};
  EXPECT_EQ(client.post("/v1/messages", request).status, 400);  // above max_tokens
  request.erase("thinking");
  request["extra"] = 1;
  EXPECT_EQ(client.post("/v1/messages", request).json()["error"]["message"],
            "extra: Extra inputs are not permitted");
}

TEST(Gate, BusyIs429WithRetryAfter) {
  ServerOptions options;
  options.most_at_once = 1;
  FakeServer fake(options);
  fake.script->hang = true;
  TestClient first = fake.client(), second = fake.client();
  first.ask("/v1/chat/completions", chat_request("x", true));
  ASSERT_TRUE(first.read_until("Let me"));
  const auto r = second.post("/v1/chat/completions", chat_request("x", true));
  EXPECT_EQ(r.status, 429);
  EXPECT_NE(r.head.find("Retry-After: 1"), std::string::npos);
  first.close();  // gives its place back
  ASSERT_TRUE(eventually([&] { return fake.script->cancelled == 1; }));
  fake.script->hang = false;
  EXPECT_TRUE(eventually(
      [&] { return second.post("/v1/chat/completions", chat_request("x")).status == 200; }));
}

TEST(Gate, PagesOfOtherOriginsAndOtherNamesGetNothing) {
  ServerOptions options;
  options.names = {"box.lan"};
  const FakeServer fake(options);
  const auto status = [&](const std::string& headers) {
    TestClient client = fake.client();
    client.send("GET /v1/models HTTP/1.1\r\n" + headers + "\r\n");
    const auto r = client.read_response();
    EXPECT_EQ(r.head.find("Access-Control"), std::string::npos);
    return r.status;
  };
  EXPECT_EQ(status("Host: 127.0.0.1:1\r\n"), 200);
  EXPECT_EQ(status("Host: [::1]:1\r\n"), 200);
  EXPECT_EQ(status("Host: box.lan\r\n"), 200);
  EXPECT_EQ(status("Host: evil.example\r\n"), 403);
  EXPECT_EQ(status("Host: 127.0.0.1.evil.example\r\n"), 403);
  EXPECT_EQ(status("Host: 192.168.0.1\r\n"), 403);
  EXPECT_EQ(status("Host: localhost:1\r\nOrigin: http://localhost:1\r\n"), 200);
  EXPECT_EQ(status("Host: localhost:1\r\nOrigin: http://localhost:2\r\n"), 403);
  EXPECT_EQ(status("Host: localhost:1\r\nOrigin: null\r\n"), 403);
  TestClient client = fake.client();
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(client.get("/v1/chat/completions").status, 405);
}

TEST(Gate, KeysOpenWhatTheirScopesSay) {
  char folder[] = "/tmp/r1-keys-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  ServerOptions options;
  options.keys = std::string(folder) + "/deep/keys.json";
  const KeyFile file(options.keys);
  ServerOptions wide = options;
  wide.host = "0.0.0.0";
  EXPECT_THROW(FakeServer{wide}, std::runtime_error);  // no key yet
  const auto user = *file.create({.name = "me"});
  const auto scraper = *file.create({.name = "prometheus", .scopes = {"metrics"}});
  const auto old = *file.create({.name = "old", .expires = 1});
  EXPECT_FALSE(file.create({.name = "me"}));
  EXPECT_EQ(read_file(options.keys, 1 << 20)->find(user.secret), std::string::npos);
  EXPECT_EQ(std::filesystem::status(options.keys).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);

  const FakeServer fake(wide);
  const auto status = [&](const std::string& path, const std::string& header) {
    return fake.client().get(path, header.empty() ? "" : header + "\r\n").status;
  };
  EXPECT_EQ(status("/v1/models", ""), 401);
  EXPECT_EQ(status("/nothing", ""), 401);
  EXPECT_EQ(status("/health", ""), 200);
  EXPECT_EQ(status("/v1/models", "Authorization: Bearer wrong"), 401);
  EXPECT_EQ(status("/v1/models", "Authorization: Bearer " + user.secret), 200);
  EXPECT_EQ(status("/v1/models", "x-api-key: " + user.secret), 200);
  EXPECT_EQ(status("/v1/models", "Authorization: Bearer " + old.secret), 401);
  EXPECT_EQ(status("/metrics", "Authorization: Bearer " + user.secret), 403);
  EXPECT_EQ(status("/metrics", "Authorization: Bearer " + scraper.secret), 200);
  EXPECT_EQ(status("/v1/models", "Authorization: Bearer " + scraper.secret), 403);
  ASSERT_TRUE(file.revoke(user.key.id));
  EXPECT_EQ(status("/v1/models", "Authorization: Bearer " + user.secret), 401);  // at once
  ASSERT_TRUE(write_file(options.keys, "not json"));
  EXPECT_EQ(status("/v1/models", "Authorization: Bearer " + scraper.secret), 500);
  std::filesystem::remove_all(folder);
}

TEST(Metrics, AreNamedAsOperatorsKnowThem) {
  FakeServer fake;
  fake.client().post("/v1/chat/completions", chat_request("x"));
  const std::string text = fake.client().get("/metrics").body;
  for (const char* line :
       {"vllm:num_requests_running{model_name=\"fake\"} 1\n",
        "vllm:kv_cache_usage_perc{model_name=\"fake\"} 0.25\n", "vllm:prompt_tokens_total 10\n",
        "vllm:generation_tokens_total 8\n", "llamacpp:tokens_predicted_total 8\n",
        "vllm:request_success_total{finished_reason=\"stop\"} 1\n",
        "vllm:time_to_first_token_seconds_count 1\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

// Law 1 under load: one request, alone and while 64 others stream, some of them with its own
// prompt.
TEST(Server, TheSameSeedSaysTheSameAmong64Others) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  ServerOptions options;
  options.port = 0;
  options.keys = "/nonexistent/keys.json";
  const auto open = [](const std::string& p, uint64_t) {
    EngineOptions engine;
    engine.threads = 2;
    engine.context = 512;
    return open_served(p, engine);
  };
  const auto server = Server::start(options, {*shelf_item(path)}, open);
  ASSERT_TRUE(server);
  const auto ask = [&](int i, int tokens) -> Json {
    return {
        {"model", "stories260K.f32"},
        {"temperature", 1},
        {"seed", i},
        {"max_tokens", tokens},
        {"logprobs", true},
        {"top_logprobs", 2},
        {"messages",
         {{{"role", "user"},
           {"content", i % 3 == 0 ? "Once upon a time" : fmt::format("There were {} cats", i)}}}}};
  };
  const auto choices = [&](int i) {
    return TestClient((*server)->port())
        .post("/v1/chat/completions", ask(i, 100))
        .json()["choices"]
        .dump();
  };
  const std::string alone = choices(9);
  EXPECT_GT(alone.size(), 2000u);
  std::vector<TestClient> others;
  for (int i = 0; i < 64; ++i) {
    others.emplace_back((*server)->port());
    Json request = ask(i, 60 + i);
    request["stream"] = true;
    others.back().ask("/v1/chat/completions", request);
  }
  const std::string among = choices(9);
  EXPECT_EQ(alone, among);
  for (TestClient& other : others) EXPECT_TRUE(other.read_until("data: [DONE]"));
}

}  // namespace
}  // namespace r1
