#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/e2e/process.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using nlohmann::json;

constexpr const char* kSmol = "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";

TEST(Repl, AConversationFromHelloToBye) {
  PtySession session({"run", stories(), "--max-tokens", "20", "--temperature", "0"});
  session.wait_for_prompt();
  session.type("Once upon a time\r");
  session.wait_for("max_tokens");
  session.wait_for_prompt();
  session.type("/show parameters\r");
  session.wait_for("20  (set)");
  session.wait_for_prompt();
  session.type("/set parameter top_p 7\r");
  session.wait_for("top_p 7: must be");
  session.wait_for_prompt();
  session.type("/nonsense\r");
  session.wait_for("/set parameter NAME VALUE");
  session.wait_for_prompt();
  session.type("/bye\r");
  EXPECT_EQ(session.wait_exit(), 0);
  const auto history = read_file(session.folder / "state/r1/history", 1 << 20);
  ASSERT_TRUE(history);
  EXPECT_NE(history->find("Once upon a time\n"), std::string::npos);
}

TEST(Repl, CtrlDLeavesAndCtrlCDoesNot) {
  PtySession session({"run", stories()});
  session.wait_for_prompt();
  session.type("never mind\x03");
  session.wait_for("Ctrl-D or /bye");
  session.wait_for_prompt();
  session.type("\x04");
  EXPECT_EQ(session.wait_exit(), 0);
}

TEST(Repl, BlocksAndPastesAreOneMessage) {
  PtySession session({"run", stories(), "--max-tokens", "2"});
  const std::string path = session.folder / "chat.json";
  session.wait_for_prompt();
  session.type("\"\"\"one\r");
  session.wait_for_prompt("... ");
  session.type("two\"\"\"\r");
  session.wait_for_prompt();
  session.type("\x1b[200~three\nfour\x1b[201~");
  session.wait_for("four");
  session.type("\r");
  session.wait_for_prompt();
  session.type("/save " + path + "\r");
  session.wait_for("Saved 4 messages");
  const json saved = json::parse(*read_file(path, 1 << 20));
  EXPECT_EQ(saved["messages"][0]["content"], "one\ntwo");
  EXPECT_EQ(saved["messages"][2]["content"], "three\nfour");
}

TEST(Repl, CtrlCStopsTheAnswerAndKeepsIt) {
  R1_TEST_DATA(model, kSmol);
  PtySession session({"run", model, "--logit-bias", "2=-1000", "--temperature", "0"});
  const std::string path = session.folder / "chat.json";
  session.wait_for_prompt();
  session.type("Write a very long story about the sea.\r");
  session.wait_for(" the ");  // the echo of the question
  session.wait_for(" the ");  // the answer
  session.type("\x03");
  session.wait_for("(stopped)");
  session.wait_for_prompt();
  session.type("/save " + path + "\r");
  session.wait_for("Saved 2 messages");
  session.wait_for_prompt();
  session.type("/clear\r");
  session.wait_for_prompt();
  session.type("/load " + path + "\r");
  session.wait_for("Loaded 2 messages");
  session.wait_for_prompt();
  session.type("/bye\r");
  EXPECT_EQ(session.wait_exit(), 0);
  const json saved = json::parse(*read_file(path, 1 << 20));
  EXPECT_EQ(saved["messages"][1]["role"], "assistant");
  EXPECT_FALSE(saved["messages"][1]["content"].get<std::string>().empty());
}

}  // namespace
}  // namespace r1
