// r1 serve --traces and r1 trace, as people use them: what was answered is in the log whatever then
// happens to the server, is found, comes out the same again bit for bit, and can be erased.
#include "base/file.h"
#include "serve/test_client.h"
#include "serve/trace_log.h"
#include "tests/e2e/serving.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

int port_of(const Serving& serving) {
  return std::stoi(serving.url.substr(serving.url.rfind(':') + 1));
}

Json question(int i, const std::string& words) {
  return {{"model", "stories260K.f32"},
          {"max_tokens", 20 + i},
          {"seed", i},
          {"temperature", 1.0},
          {"user", i % 2 ? "odd" : "even"},
          {"messages", {{{"role", "user"}, {"content", words}}}}};
}

std::vector<Json> lines(const std::string& text) {
  std::vector<Json> all;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) all.push_back(Json::parse(line));
  return all;
}

class Traced : public testing::Test {
 protected:
  Finished trace(std::vector<std::string> args) const {
    args.insert(args.begin(), "trace");
    args.insert(args.end(), {"--file", log});
    return run_r1(args);
  }
  // Six answers of one server, which is then killed.
  std::vector<std::string> answers() const {
    Serving serving({"--traces=" + log, "--context", "256", "--kv", "f32"});
    std::vector<std::string> said;
    std::vector<TestClient> clients;
    for (int i = 0; i < 5; ++i) {
      clients.emplace_back(port_of(serving));
      clients.back().ask("/v1/chat/completions",
                         question(i, i == 3 ? "Lily met a dragon" : "Once upon a time"));
    }
    for (TestClient& client : clients)
      said.push_back(client.read_response().json()["choices"][0]["message"]["content"]);
    said.push_back(TestClient(port_of(serving))
                       .post("/v1/completions", {{"model", "stories260K.f32"},
                                                 {"prompt", "The cat"},
                                                 {"max_tokens", 400},
                                                 {"temperature", 0}})
                       .json()["choices"][0]["text"]);
    serving.stop(SIGKILL);
    return said;
  }

  const TemporaryFolder folder;
  const std::string log = folder / "traces.db";
};

TEST_F(Traced, WhatAClientSawIsInTheLogWhateverThenHappens) {
  std::vector<std::string> said = answers();
  const auto list = trace({"list", "--json"});
  ASSERT_EQ(list.code, 0) << list.err;
  ASSERT_EQ(lines(list.out).size(), 6u);
  std::vector<std::string> kept;
  for (const Json& line : lines(trace({"export"}).out)) {
    kept.push_back(line["answer"]);
    EXPECT_EQ(line["model"]["sha256"].get<std::string>().size(), 64u);
    EXPECT_EQ(line["engine"]["kv"], "f32");
    EXPECT_EQ(line["tokens"]["generated"], line["ids"].size());
  }
  std::ranges::sort(said);
  std::ranges::sort(kept);
  EXPECT_EQ(said, kept);
  const auto verified = trace({"verify"});
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_NE(verified.out.find("6 lines hold: 6 traces"), std::string::npos) << verified.out;
}

TEST_F(Traced, EveryTraceComesOutTheSameAgain) {
  answers();
  const auto all = trace({"replay", "--json", "--threads", "2"});
  EXPECT_EQ(all.code, 0) << all.err;
  ASSERT_EQ(lines(all.out).size(), 6u);
  for (const Json& line : lines(all.out)) {
    const std::string outcome = line["outcome"];
    EXPECT_TRUE(outcome.starts_with("the same, bit for bit: ")) << outcome;
    EXPECT_EQ(outcome.find(';'), outcome.npos) << outcome;  // nor is anything else otherwise
  }
  // Other weights are told.
  std::string bytes = *read_file(stories(), 1 << 24);
  bytes.back() ^= 1;
  ASSERT_TRUE(write_file(folder / "other.gguf", bytes));
  const auto other = trace({"replay", "1", "--weights", folder / "other.gguf"});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("it was made by weights of sha256"), std::string::npos) << other.err;
  // And so is an answer that was put there instead.
  const TraceLine line = **TraceLog::open(log)->find(1);
  Json forged = line.content;
  forged["ids"][5] = forged["ids"][5].get<int>() == 300 ? 301 : 300;
  ASSERT_TRUE(TraceLog::open(log)->append({forged.dump()}));
  const auto differs = trace({"replay", "7"});
  EXPECT_EQ(differs.code, 1);
  EXPECT_NE(differs.out.find("differs from token 6 of"), std::string::npos) << differs.out;
}

TEST_F(Traced, IsShownSearchedExportedAndErased) {
  answers();
  const auto found = trace({"search", "dragon", "--json"});
  ASSERT_EQ(lines(found.out).size(), 1u) << found.out << found.err;
  const Json line = lines(found.out)[0];
  EXPECT_EQ(line["prompt"], "Lily met a dragon");
  EXPECT_NE(line["snippet"].get<std::string>().find("<b>dragon</b>"), std::string::npos);
  const std::string id = line["id"].dump();
  const auto shown = trace({"show", id});
  for (const char* words : {"Lily met a dragon", "stories260K.f32, sha256", "seed 3", "kv f32"})
    EXPECT_NE(shown.out.find(words), std::string::npos) << words << shown.out;
  const auto markdown = trace({"export", id, "--format", "markdown", "-o", folder / "t.md"});
  EXPECT_EQ(markdown.code, 0) << markdown.err;
  EXPECT_NE(read_file(folder / "t.md", 1 << 20)->find("**user**\n\nLily met a dragon"),
            std::string::npos);

  EXPECT_EQ(trace({"erase"}).code, 1);
  EXPECT_EQ(trace({"erase", "--user", "odd"}).out, "erased 2 traces\n");
  for (const char* suffix : {"", "-wal"}) {
    const auto left = read_file(log + suffix, 1 << 26);
    if (!left) continue;
    EXPECT_EQ(left->find("dragon"), left->npos);
    EXPECT_EQ(left->find("\"odd\""), left->npos);
  }
  EXPECT_EQ(trace({"show", id}).err, "r1: trace " + id + " was erased\n");
  EXPECT_EQ(lines(trace({"list", "--json"}).out).size(), 4u);
  const auto erasures = lines(trace({"list", "--erased", "--json"}).out);
  ASSERT_EQ(erasures.size(), 1u);
  EXPECT_EQ(erasures[0]["erased"].size(), 2u);
  EXPECT_EQ(erasures[0]["reason"], "user -");
  const auto verified = trace({"verify"});
  EXPECT_NE(verified.out.find("7 lines hold: 4 traces, 2 erased, 1 erasure"), std::string::npos)
      << verified.out << verified.err;
  EXPECT_EQ(trace({"erase", "--older", "30d"}).out, "erased 0 traces\n");
  EXPECT_EQ(trace({"erase", "--older", "0m"}).code, 0);
  EXPECT_EQ(trace({"show", "0"}).code, 1);
  EXPECT_EQ(run_r1({"trace", "list", "--file", folder / "none.db"}).code, 1);
}

TEST_F(Traced, IsServedToItsScopeAlone) {
  const std::string keys = folder / "keys.json";
  std::string reader = run_r1({"key", "create", "reader", "--scope", "traces", "--keys", keys}).out;
  std::string user = run_r1({"key", "create", "user", "--keys", keys}).out;
  reader.pop_back();
  user.pop_back();
  const Serving serving({"--traces=" + log, "--keys", keys});
  const auto get = [&](const std::string& path, const std::string& key) {
    return TestClient(port_of(serving)).get(path, "Authorization: Bearer " + key + "\r\n");
  };
  Json body = question(1, "Once upon a time");
  body["n"] = 3;
  TestClient(port_of(serving))
      .post("/v1/chat/completions", body, "Authorization: Bearer " + user + "\r\n");
  EXPECT_EQ(get("/traces", user).status, 403);
  EXPECT_EQ(get("/traces", "").status, 401);
  const Json page = get("/traces?limit=2&search=once+%22upon%20a%22", reader).json();
  ASSERT_EQ(page["traces"].size(), 2u) << page;
  EXPECT_EQ(page["traces"][0]["id"], 3);
  EXPECT_EQ(page["traces"][0]["user"], "odd");
  EXPECT_EQ(page["next"], 2);
  EXPECT_EQ(get("/traces?before=2", reader).json()["traces"].size(), 1u);
  EXPECT_EQ(get("/traces?limit=0", reader).status, 400);
  EXPECT_EQ(get("/traces?search=%22", reader).status, 400);
  EXPECT_EQ(get("/traces?colour=red", reader).status, 400);
  EXPECT_EQ(get("/traces?erased=2", reader).status, 400);
  EXPECT_EQ(trace({"erase", "1"}).out, "erased 1 trace\n");
  const Json erasures = get("/traces?erased=true", reader).json()["traces"];
  ASSERT_EQ(erasures.size(), 1u);
  EXPECT_EQ(erasures[0]["erased"], Json::array({1}));
  const Json whole = get("/traces/2", reader).json();
  EXPECT_EQ(whole["choice"], 1);
  EXPECT_EQ(whole["params"]["seed"], 2);
  EXPECT_EQ(whole["model"]["file"], "stories260K.f32.gguf");
  EXPECT_EQ(whole["structure"]["checks"], 0);
  EXPECT_FALSE(whole.contains("nonce"));
  EXPECT_EQ(get("/traces/99", reader).status, 404);
  EXPECT_EQ(get("/traces/x", reader).status, 404);
  const Serving without({"--keys", keys});
  EXPECT_EQ(TestClient(port_of(without))
                .get("/traces", "Authorization: Bearer " + reader + "\r\n")
                .status,
            404);
}

}  // namespace
}  // namespace r1
