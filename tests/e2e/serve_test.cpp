// r1 serve as a process: its signals, its refusals, and the clients people have, where they are
// installed: R1_CLIENTS names the Python that has them (default: python3), R1_CLIENTS_JS the folder
// with node_modules.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "serve/test_client.h"
#include "tests/e2e/serving.h"
#include "tests/e2e/tool_model.h"

namespace r1 {
namespace {

TEST(Serve, EndsWhenItIsTold) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Serving serving;
    EXPECT_EQ(serving.stop(signal), 0);
  }
}

TEST(Serve, RefusesWhatItCannotServe) {
  const auto no_model = run_r1({"serve"});
  EXPECT_EQ(no_model.code, 1);
  EXPECT_NE(no_model.err.find("no model"), std::string::npos) << no_model.err;
  EXPECT_EQ(run_r1({"serve", "/nowhere.gguf"}).code, 1);
  EXPECT_EQ(run_r1({"serve", stories(), "--port", "70000"}).code, 2);
  const auto wide = run_r1({"serve", stories(), "--host", "0.0.0.0", "--port", "0"});
  EXPECT_EQ(wide.code, 1);
  EXPECT_NE(wide.err.find("r1 key create"), std::string::npos) << wide.err;
  const Serving serving;
  const std::string port = serving.url.substr(serving.url.rfind(':') + 1);
  const auto taken = run_r1({"serve", stories(), "--port", port});
  EXPECT_NE(taken.err.find("is taken by r1 (process"), std::string::npos) << taken.err;
}

TEST(Serve, KeysAreMadeListedAndRevoked) {
  const TemporaryFolder folder;
  const std::string file = folder / "keys.json";
  const auto made = run_r1({"key", "create", "me", "--keys", file});
  EXPECT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(made.out.starts_with("r1-") && made.out.size() == 68) << made.out;
  const auto list = run_r1({"key", "list", "--keys", file});
  EXPECT_NE(list.out.find("me "), std::string::npos) << list.out;
  EXPECT_EQ(list.out.find(made.out.substr(0, 12)), std::string::npos);
  const auto two =
      run_r1({"key", "create", "you", "--scope", "use", "--scope", "traces", "--keys", file});
  EXPECT_NE(two.err.find("for you (use,traces)"), std::string::npos) << two.err;
  EXPECT_EQ(run_r1({"key", "revoke", "me", "--keys", file}).code, 0);
  EXPECT_EQ(run_r1({"key", "revoke", "me", "--keys", file}).code, 1);
}

TEST(Serve, UsageIsToldByDayKeyAndModel) {
  const TemporaryFolder folder;
  const std::string file = folder / "keys.json", ledger = folder / "usage.db";
  const auto key = run_r1({"key", "create", "me", "--keys", file, "--budget", "0.01/day",
                           "--requests", "5", "--tokens", "1000"});
  EXPECT_NE(key.err.find("$0.01 a day, 5 requests and 1000 tokens a minute"), std::string::npos)
      << key.err;
  EXPECT_EQ(run_r1({"key", "create", "you", "--keys", file, "--budget", "5/year"}).code, 2);
  EXPECT_EQ(run_r1({"usage", "--usage", ledger}).code, 1);
  {
    const Serving serving({"--keys", file, "--usage", ledger});
    TestClient client(serving.port());
    const std::string header =
        "Authorization: Bearer " + key.out.substr(0, key.out.size() - 1) + "\r\n";
    const auto r =
        client.post("/v1/completions",
                    {{"model", "stories260K.f32"}, {"prompt", "Once"}, {"max_tokens", 4}}, header);
    EXPECT_EQ(r.status, 200) << r.body;
  }  // by kill -9
  const auto by_key = run_r1({"usage", "--usage", ledger, "--keys", file, "--by", "key"});
  EXPECT_EQ(by_key.code, 0) << by_key.err;
  EXPECT_NE(by_key.out.find(" me "), std::string::npos) << by_key.out;
  const auto json = nlohmann::json::parse(
      run_r1({"usage", "--usage", ledger, "--keys", file, "--key", "me", "--json"}).out);
  EXPECT_EQ(json["total"]["requests"], 1);
  EXPECT_EQ(json["total"]["generated_tokens"], 4);
  EXPECT_NEAR(json["total"]["cost"].get<double>(),
              json["total"]["prompt_tokens"].get<double>() * 550e-9 + 4 * 2190e-9, 1e-12);
  EXPECT_EQ(run_r1({"usage", "--usage", ledger, "--keys", file, "--key", "nobody"}).code, 1);
  EXPECT_EQ(run_r1({"usage", "--usage", ledger, "--since", "yesterday"}).code, 1);
}

TEST(Serve, ReloadsOnSighupAndSaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& text) {
    std::ofstream(folder / "prices.toml") << text;
    return folder / "prices.toml";
  };
  Serving serving({"--prices", write("[default]\noutput = 1\n")});
  const auto cost = [&] {
    return TestClient(serving.port())
        .post("/v1/completions", {{"model", "stories260K.f32"}, {"prompt", ""}, {"max_tokens", 1}})
        .json()["usage"]["cost"]
        .get<double>();
  };
  const double first = cost();
  write("[default]\noutput = 1000\n");
  ::kill(serving.process(), SIGHUP);
  EXPECT_EQ(serving.line(), "read again\n");
  EXPECT_NEAR(cost(), first + 999e-6, 1e-6);
  write("[default]\noutput = -1\n");
  ::kill(serving.process(), SIGHUP);
  EXPECT_NE(serving.line().find("kept as it was: "), std::string::npos);
  EXPECT_NEAR(cost(), first + 999e-6, 1e-6);
  EXPECT_EQ(serving.stop(SIGTERM), 0);
}

// Runs a script of clients against a server; skips by name where some are absent.
void run_clients(const std::string& program, const char* script) {
  const TemporaryFolder folder;
  const bool tools = make_tool_model(folder / "models/toolbox", "llama-3.1", "llama-3",
                                     "<|begin_of_text|>", "<|eot_id|>");
  const Serving serving(tools ? std::vector<std::string>{"--models", folder / "models"}
                              : std::vector<std::string>{});
  const std::string log = folder / "log";
  const std::string command =
      fmt::format("{} {}/tests/e2e/{} {} stories260K.f32 {} > {} 2>&1", program, R1_SOURCE, script,
                  serving.url, tools ? "toolbox" : "", log);
  const int code = exit_code(std::system(command.c_str()));
  std::stringstream said;
  said << std::ifstream(log).rdbuf();
  EXPECT_EQ(code, 0) << said.str();
  if (said.str().find("skipped") != std::string::npos) GTEST_SKIP() << said.str();
}

TEST(Serve, TheClientsPeopleHave) {
  const char* python = std::getenv("R1_CLIENTS");
  run_clients(python ? python : "python3", "clients.py");
}

TEST(Serve, TheClientsPeopleHaveInJavaScript) {
  if (std::system("node --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "node is not installed";
  run_clients("node", "clients.mjs");
}

}  // namespace
}  // namespace r1
