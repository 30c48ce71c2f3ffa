// Who gets in, how often and for how much: budgets and paces in every dialect's words, and no page
// of another origin.
#include <filesystem>

#include "base/file.h"
#include "format/test_bytes.h"
#include "serve/test_client.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

// A server that keeps keys and a ledger in a folder of its own.
struct Guarded {
  explicit Guarded(ServerOptions options = {}) {
    options.keys = folder.path("keys.json");
    options.usage = folder.path("usage.db");
    server.emplace(options);
  }
  std::string header(Key key) {
    return "Authorization: Bearer " + KeyFile(folder.path("keys.json")).create(key)->secret +
           "\r\n";
  }
  TestClient::Response ask(const std::string& path, const std::string& header) {
    Json request = chat_request("x");
    request["max_tokens"] = 5;  // which Anthropic wants
    return server->client().post(path, request, header);
  }

  const TemporaryFolder folder;
  std::optional<FakeServer> server;
};

constexpr const char* kChats[] = {"/v1/chat/completions", "/chat/completions", "/v1/messages",
                                  "/api/chat"};

TEST(Gate, ABudgetThatIsUsedUpIsToldInEachDialect) {
  Guarded guarded;
  const std::string header =
      guarded.header({.name = "me", .budget = *parse_budget("0.00002/month")});
  // 6 computed, 4 from the cache, 8 generated: 6 * 550 + 4 * 140 + 8 * 2190.
  EXPECT_EQ(guarded.ask("/v1/chat/completions", header).json()["usage"]["cost"], 2.138e-05);
  const Json wanted[] = {
      {{"message", "the budget of this key is used up: $0.00002138 of $0.00002 a month"},
       {"type", "insufficient_quota"},
       {"param", nullptr},
       {"code", "insufficient_quota"}},
  };
  for (const char* path : kChats) {
    const auto r = guarded.ask(path, header);
    EXPECT_EQ(r.status, 402) << path << r.body;
    EXPECT_NE(r.head.find("402 Payment Required"), std::string::npos);
    const Json error = r.json()["error"];
    if (std::string_view(path) == "/api/chat")
      EXPECT_EQ(error, wanted[0]["message"]);
    else if (std::string_view(path) == "/v1/messages")
      EXPECT_EQ(error, (Json{{"type", "billing_error"}, {"message", wanted[0]["message"]}}));
    else
      EXPECT_EQ(error, wanted[0]) << path;
  }
  EXPECT_EQ(guarded.server->client().get("/v1/models", header).status, 200);
  EXPECT_EQ(guarded.ask("/v1/chat/completions", guarded.header({.name = "rich"})).status, 200);
}

TEST(Gate, PacesAreKeptInEachDialect) {
  for (const char* path : kChats) {
    Guarded guarded;
    const std::string requests = guarded.header({.name = "a", .requests_per_minute = 1});
    EXPECT_EQ(guarded.ask(path, requests).status, 200) << path;
    auto r = guarded.ask(path, requests);
    EXPECT_EQ(r.status, 429) << path;
    EXPECT_NE(r.head.find("\r\nRetry-After: "), std::string::npos) << r.head;
    const std::string tokens = guarded.header({.name = "b", .tokens_per_minute = 1});
    EXPECT_EQ(guarded.ask(path, tokens).status, 200) << path;
    r = guarded.ask(path, tokens);
    EXPECT_EQ(r.status, 429) << path;
    EXPECT_NE(r.body.find("1 tokens a minute"), std::string::npos) << r.body;
  }
}

TEST(Gate, UsageIsWrittenPerKeyAndModel) {
  Guarded guarded;
  const std::string header = guarded.header({.name = "me"});
  for (const char* path : kChats) EXPECT_EQ(guarded.ask(path, header).status, 200) << path;
  Json request = chat_request("x");
  request["n"] = 3;  // one prompt, three answers
  EXPECT_EQ(guarded.server->client().post("/v1/chat/completions", request, header).status, 200);
  Ledger ledger = *Ledger::open(guarded.folder.path("usage.db"));
  const auto keys = *ledger.sums(Ledger::By::kKey, "", "");
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].name, KeyFile(guarded.folder.path("keys.json")).read()->at(0).id);
  EXPECT_EQ(keys[0].usage.requests, 5);
  EXPECT_EQ(keys[0].usage.prompt_tokens, 50);
  EXPECT_EQ(keys[0].usage.cached_tokens, 20);
  EXPECT_EQ(keys[0].usage.generated_tokens, 4 * 8 + 3 * 8);
  EXPECT_EQ(keys[0].usage.thought_tokens, 4 * 3 + 3 * 3);
  EXPECT_EQ(keys[0].usage.nanos, 30 * 550 + 20 * 140 + 56 * 2190);
  EXPECT_EQ(ledger.sums(Ledger::By::kModel, "", "")->at(0).name, "fake");
}

TEST(Gate, ARequestIsItsKeysInTheQueue) {
  Guarded guarded;
  const auto owner = [&](const std::string& header) {
    EXPECT_EQ(guarded.ask("/v1/chat/completions", header).status, 200);
    return guarded.server->script->params.owner;
  };
  EXPECT_EQ(owner(""), "-");
  const std::string a = guarded.header({.name = "a"}), b = guarded.header({.name = "b"});
  const auto keys = *KeyFile(guarded.folder.path("keys.json")).read();
  EXPECT_EQ(owner(a), keys[0].id);
  EXPECT_EQ(owner(b), keys[1].id);
}

TEST(Gate, AFullQueueIsFullForWhoFilledIt) {
  ServerOptions options;
  options.most_at_once = 2;
  Guarded guarded(options);
  guarded.server->script->hang = true;
  const std::string a = guarded.header({.name = "a"}), b = guarded.header({.name = "b"});
  std::vector<TestClient> streams;
  const auto begins = [&](const std::string& header) {
    streams.push_back(guarded.server->client());
    streams.back().ask("/v1/chat/completions", chat_request("x", true), header);
    return streams.back().read_until("Let me");
  };
  const auto refused = [&](const std::string& header) {
    for (const char* path : kChats) {
      const auto r = guarded.ask(path, header);
      EXPECT_EQ(r.status, 429) << path << r.body;
      EXPECT_NE(r.head.find("\r\nRetry-After: 1\r\n"), std::string::npos) << r.head;
    }
  };
  ASSERT_TRUE(begins(a));
  ASSERT_TRUE(begins(a));
  refused(a);
  ASSERT_TRUE(begins(b)) << "what another key has keeps nobody out";
  refused(b);
  refused(a);
  EXPECT_EQ(guarded.server->script->cancelled, 0) << "nor does it end what was let in";
}

TEST(Gate, WhoLeavesPaysForWhatWasGenerated) {
  Guarded guarded;
  guarded.server->script->hang = true;
  {
    TestClient client = guarded.server->client();
    client.ask("/v1/chat/completions", chat_request("x", true));
    ASSERT_TRUE(client.read_until("Let me"));
  }
  ASSERT_TRUE(eventually([&] { return guarded.server->script->cancelled == 1; }));
  Ledger ledger = *Ledger::open(guarded.folder.path("usage.db"));
  ASSERT_TRUE(eventually([&] { return *ledger.spent("-", "") > 0; }));
}

TEST(Gate, PricesAreReadAgainAndKeptWhereTheyAreWrong) {
  ServerOptions options;
  const TemporaryFolder folder;
  options.prices = folder.write("prices.toml", "[models.fake]\noutput = 0\ncache_miss = 0\n");
  Guarded guarded(options);
  const auto cost = [&] {
    return guarded.ask("/v1/chat/completions", "").json()["usage"]["cost"].get<double>();
  };
  EXPECT_EQ(cost(), 4 * 140 / 1e9);
  folder.write("prices.toml", "[default]\ncache_hit = 0\ncache_miss = 0\noutput = 1\n");
  ASSERT_TRUE(guarded.server->server->reload());
  EXPECT_EQ(cost(), 8 * 1000 / 1e9);
  folder.write("prices.toml", "[default]\ncache_hit = -1\n");
  EXPECT_FALSE(guarded.server->server->reload());
  EXPECT_EQ(cost(), 8 * 1000 / 1e9);
  EXPECT_THROW(Guarded{options}, std::runtime_error);
}

TEST(Gate, AnExpiredKeyIsToldSo) {
  Guarded guarded;
  const std::string header = guarded.header({.name = "old", .expires = 1'700'000'000});
  for (const char* path : kChats) {
    const auto r = guarded.ask(path, header);
    EXPECT_EQ(r.status, 401) << path;
    EXPECT_NE(r.body.find("this key expired at 2023-11-14T22:13:20Z"), std::string::npos) << r.body;
  }
  EXPECT_EQ(guarded.server->script->submitted, 0);
}

// No answer, to whatever it be, says that a page of another origin may read it.
TEST(Gate, NoOtherOriginIsLetIn) {
  const FakeServer fake;
  for (const char* origin : {"http://evil.example", "null", "http://localhost:1"}) {
    TestClient client = fake.client();
    const std::string header = std::string("Origin: ") + origin + "\r\n";
    const auto got = client.get("/v1/models", header);
    EXPECT_EQ(got.status, 403) << origin;
    client.send("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + header +
                "Access-Control-Request-Method: POST\r\n"
                "Access-Control-Request-Headers: content-type\r\n\r\n");
    const auto preflight = client.read_response();
    EXPECT_EQ(preflight.status, 403) << origin;
    const auto posted = client.post("/v1/chat/completions", chat_request("x"), header);
    EXPECT_EQ(posted.status, 403) << origin;
    for (const auto& r : {got, preflight, posted})
      EXPECT_EQ(r.head.find("Access-Control"), std::string::npos) << r.head;
  }
  EXPECT_EQ(fake.script->submitted, 0);
  const auto own = fake.client().get("/v1/models", "Origin: http://localhost\r\n");
  EXPECT_EQ(own.status, 200);
  EXPECT_EQ(own.head.find("Access-Control"), std::string::npos) << own.head;
}

}  // namespace
}  // namespace r1
