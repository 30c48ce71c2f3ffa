// r1 serve as a process: its signals, its refusals, and the clients people have, where they are
// installed: R1_CLIENTS names the Python that has them (default: python3), R1_CLIENTS_JS the folder
// with node_modules.
#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "tests/e2e/serving.h"

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
  EXPECT_EQ(run_r1({"key", "revoke", "me", "--keys", file}).code, 0);
  EXPECT_EQ(run_r1({"key", "revoke", "me", "--keys", file}).code, 1);
}

// Runs a script of clients against a server; skips by name where some are absent.
void run_clients(const std::string& program, const char* script) {
  const Serving serving;
  const TemporaryFolder folder;
  const std::string log = folder / "log";
  const std::string command = fmt::format("{} {}/tests/e2e/{} {} stories260K.f32 > {} 2>&1",
                                          program, R1_SOURCE, script, serving.url, log);
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
