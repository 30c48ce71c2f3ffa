#include "cli/repl.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <csignal>
#include <filesystem>

#include "base/file.h"

namespace r1 {
namespace {

// Answers with a thought and the last message, and keeps what it was asked.
class EchoModel final : public ChatModel {
 public:
  struct Seen {
    nlohmann::ordered_json messages;
    Think think = Think::kAuto;
    GenerateParams params;
  };
  EchoModel(std::string path, Seen& seen) : path_(std::move(path)), seen_(seen) {}

  const std::string& path() const override { return path_; }
  std::string startup_line() const override { return "started " + path_; }
  bool reasoning() const override { return path_ != "plain"; }
  bool chats() const override { return true; }
  GenerateParams defaults() const override { return {}; }
  std::string info() const override { return "info of " + path_ + "\n"; }
  std::string chat_template() const override { return "{{ template }}"; }
  Result<std::string> license() const override { return std::string("MIT"); }

  Result<Completion> answer(const nlohmann::ordered_json& messages, Think think,
                            const GenerateParams& params,
                            const Engine::OnPiece& on_piece) override {
    seen_ = {messages, think, params};
    const std::string question = messages.back()["content"];
    if (question == "fail") return error("the context holds 10 tokens");
    Completion c;
    c.thought = "hm";
    on_piece({c.thought, "", {}});
    for (const char letter : question) {
      c.answer += letter;
      if (letter == '!') std::raise(SIGINT);
      if (!on_piece({"", std::string(1, letter), {}})) {
        c.reason = FinishReason::kCancelled;
        break;
      }
    }
    return c;
  }

 private:
  std::string path_;
  Seen& seen_;
};

class ReplTest : public testing::Test {
 protected:
  ReplTest()
      : repl(
            std::make_unique<EchoModel>("echo", seen),
            [this](const std::string& path) -> Result<std::unique_ptr<ChatModel>> {
              if (path != "plain") return error("{}: no such file", path);
              return std::unique_ptr<ChatModel>(std::make_unique<EchoModel>(path, seen));
            },
            Conversation{}, [this](std::string_view text) { shown += text; }) {
    repl.hide_thinking = true;
    char name[] = "/tmp/r1-repl-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~ReplTest() override { std::filesystem::remove_all(folder); }

  std::string take(const std::string& input) {
    shown.clear();
    EXPECT_TRUE(repl.take(input));
    return shown;
  }

  EchoModel::Seen seen;
  std::string shown, folder;
  Repl repl;
};

TEST_F(ReplTest, MessagesAreAnsweredAndRemembered) {
  EXPECT_EQ(take("hello"), "hello\n\n");
  take("again");
  ASSERT_EQ(seen.messages.size(), 3u);
  EXPECT_EQ(seen.messages[1]["content"], "hello");
  EXPECT_EQ(repl.conversation().messages[1].thought, "hm");
  take("/clear");
  take("new");
  EXPECT_EQ(seen.messages.size(), 1u);
}

TEST_F(ReplTest, BlankInputIsNoMessage) {
  take("  ");
  take("");
  take("\"\"\"\n\"\"\"");
  EXPECT_TRUE(repl.conversation().messages.empty());
}

TEST_F(ReplTest, AFailedQuestionIsTakenBack) {
  EXPECT_NE(take("fail").find("context holds 10"), std::string::npos);
  EXPECT_TRUE(repl.conversation().messages.empty());
}

TEST_F(ReplTest, CtrlCStopsTheAnswerAndKeepsItsBeginning) {
  EXPECT_NE(take("half! rest").find("(stopped)"), std::string::npos);
  EXPECT_EQ(repl.conversation().messages[1].content, "half!");
  take("more");
  EXPECT_EQ(repl.conversation().messages[3].content, "more");
}

TEST_F(ReplTest, BlocksHoldLinesAndSlashes) {
  take("\"\"\"/not a verb\nsecond \"line\"\"\"\"");
  EXPECT_EQ(seen.messages[0]["content"], "/not a verb\nsecond \"line");
  take("/set system \"\"\"\none\ntwo\n\"\"\"");
  EXPECT_EQ(repl.conversation().system, "one\ntwo");
}

TEST_F(ReplTest, ParametersAreSetShownAndTakenBack) {
  EXPECT_NE(take("/set parameter temperature 0.25").find("0.25"), std::string::npos);
  take("/set parameter seed 7");
  take("hello");
  EXPECT_FLOAT_EQ(seen.params.sampling.temperature, 0.25f);
  EXPECT_EQ(seen.params.sampling.seed, 7u);
  EXPECT_NE(take("/show parameters").find("seed               7  (set)"), std::string::npos);
  take("/set parameter seed default");
  EXPECT_NE(take("/show parameters").find("seed               random"), std::string::npos);
  EXPECT_NE(take("/set parameter top_p 2").find("top_p 2: must be"), std::string::npos);
  EXPECT_NE(take("/set parameter heat 2").find("top_p"), std::string::npos);
  EXPECT_NE(take("/set parameter top_p").find("VALUE must be"), std::string::npos);
}

TEST_F(ReplTest, FreshSeedsDiffer) {
  take("a");
  const uint64_t first = seen.params.sampling.seed;
  take("a");
  EXPECT_NE(seen.params.sampling.seed, first);
}

TEST_F(ReplTest, ThinkingIsSetAndRefusedWhereThereIsNone) {
  take("/set think");
  take("a");
  EXPECT_EQ(seen.think, Think::kOn);
  take("/set nothink");
  take("a");
  EXPECT_EQ(seen.think, Think::kOff);
  take("/load plain");
  EXPECT_NE(take("/set think").find("plain does not support thinking"), std::string::npos);
}

TEST_F(ReplTest, ThoughtsAreShownWhereWanted) {
  take("/set showthinking");
  EXPECT_EQ(take("a"), "<think>\nhm\n</think>\n\na\n\n");
  repl.terminal = [] { return Terminal{.interactive = true, .styled = false, .width = 80}; };
  EXPECT_EQ(take("a"), "Thinking…\nhm\n…done thinking.\n\na\n\n");
}

TEST_F(ReplTest, UnknownVerbsAreAnsweredWithWhatExists) {
  const std::string set = take("/set heat");
  EXPECT_NE(set.find("no such verb: /set heat"), std::string::npos);
  EXPECT_NE(set.find("/set parameter NAME VALUE"), std::string::npos);
  EXPECT_EQ(set.find("/show"), std::string::npos);
  EXPECT_NE(take("/sett").find("/show info"), std::string::npos);
  EXPECT_TRUE(repl.conversation().messages.empty());
}

TEST_F(ReplTest, HelpNamesEveryVerb) {
  const std::string help = take("/?");
  for (const char* verb :
       {"/set think", "/show license", "/save", "/load", "/clear", "/bye", "\"\"\""})
    EXPECT_NE(help.find(verb), std::string::npos) << verb;
  EXPECT_EQ(take("/help"), help);
  EXPECT_NE(take("/? shortcuts").find("Ctrl-D"), std::string::npos);
  EXPECT_EQ(take("/? set").find("/show"), std::string::npos);
}

TEST_F(ReplTest, ShowsTheModel) {
  EXPECT_EQ(take("/show info"), "info of echo\n");
  EXPECT_EQ(take("/show template"), "{{ template }}\n");
  EXPECT_EQ(take("/show license"), "MIT\n");
  EXPECT_EQ(take("/show system"), "No system prompt.\n");
}

TEST_F(ReplTest, ByeLeaves) {
  EXPECT_FALSE(repl.take("/bye"));
  EXPECT_FALSE(repl.take("/exit"));
}

TEST_F(ReplTest, SavesAndLoadsConversations) {
  take("/set system Be brief");
  take("/set parameter top_k 3");
  take("hello");
  const std::string path = folder + "/chat.json";
  EXPECT_NE(take("/save " + path).find("Saved 2 messages"), std::string::npos);
  take("/set system");
  take("/clear");
  take("/set parameter top_k default");
  EXPECT_NE(take("/load " + path).find("Loaded 2 messages"), std::string::npos);
  take("next");
  ASSERT_EQ(seen.messages.size(), 4u);
  EXPECT_EQ(seen.messages[0]["content"], "Be brief");
  EXPECT_EQ(seen.params.sampling.top_k, 3);
  take("/save " + path);  // its own kind may be overwritten
  EXPECT_NE(read_file(path, 1 << 20)->find("next"), std::string::npos);
}

TEST_F(ReplTest, SaveOverwritesNothingElse) {
  const std::string path = folder + "/model.gguf";
  ASSERT_TRUE(write_file(path, "GGUF"));
  EXPECT_NE(take("/save " + path).find("no saved conversation"), std::string::npos);
  EXPECT_EQ(*read_file(path, 100), "GGUF");
  EXPECT_NE(take("/save").find("FILE is missing"), std::string::npos);
  EXPECT_NE(take("/save " + folder + "/none/x.json").find("none/x.json"), std::string::npos);
}

TEST_F(ReplTest, LoadSwitchesModelsByContent) {
  take("hello");
  EXPECT_EQ(take("/load plain"), "started plain\n");
  EXPECT_TRUE(repl.conversation().messages.empty());
  EXPECT_EQ(repl.conversation().model, "plain");
  EXPECT_NE(take("/load nothing").find("nothing: no such file"), std::string::npos);
  EXPECT_EQ(repl.conversation().model, "plain");
  const std::string path = folder + "/bad.json";
  ASSERT_TRUE(write_file(path, " {\"messages\": 3}"));
  EXPECT_NE(take("/load " + path).find("messages: must be a list"), std::string::npos);
}

TEST_F(ReplTest, VerboseTellsTheSeed) {
  take("/set verbose");
  take("/set parameter seed 42");
  EXPECT_NE(take("a").find("seed      42"), std::string::npos);
  take("/set quiet");
  EXPECT_EQ(take("a").find("seed"), std::string::npos);
}

// Lines somebody typed.
class Script final : public LineReader {
 public:
  explicit Script(std::vector<Line> lines) : lines_(std::move(lines)) {}
  Line read(const std::string&) override {
    return next_ < lines_.size() ? lines_[next_++] : Line{End::kEof, ""};
  }
  void remember(std::string_view entry) override { remembered.emplace_back(entry); }
  std::vector<std::string> remembered;

 private:
  std::vector<Line> lines_;
  size_t next_ = 0;
};

TEST_F(ReplTest, ReadsBlocksOverLinesAndSurvivesCtrlC) {
  using End = LineReader::End;
  Script script({{End::kLine, "\"\"\"one"},
                 {End::kLine, "two\"\"\""},
                 {End::kLine, "\"\"\"lost"},
                 {End::kInterrupt, ""},
                 {End::kLine, "/set nohistory"},
                 {End::kLine, "secret"},
                 {End::kLine, "/bye"},
                 {End::kLine, "never"}});
  repl.run(script);
  ASSERT_EQ(repl.conversation().messages.size(), 4u);
  EXPECT_EQ(repl.conversation().messages[0].content, "one\ntwo");
  EXPECT_EQ(repl.conversation().messages[2].content, "secret");
  EXPECT_EQ(script.remembered,
            (std::vector<std::string>{"\"\"\"one\ntwo\"\"\"", "/set nohistory"}));
}

TEST(Completion, OffersVerbsAndParameters) {
  EXPECT_EQ(complete_verb("/cl"), std::vector<std::string>{"/clear"});
  EXPECT_EQ(complete_verb("/set parameter temp"),
            std::vector<std::string>{"/set parameter temperature "});
  EXPECT_TRUE(complete_verb("hello").empty());
}

TEST(History, KeepsEntriesWhole) {
  char name[] = "/tmp/r1-history-XXXXXX";
  const std::string folder = ::mkdtemp(name), path = folder + "/deep/history";
  const std::vector<std::string> entries = {"plain", "two\nlines", "back\\slash\\n", "ünï"};
  for (const std::string& entry : entries) ASSERT_TRUE(append_history(path, entry));
  EXPECT_EQ(load_history(path, 100), entries);
  EXPECT_EQ(load_history(path, 1), std::vector<std::string>{entries.back()});
  EXPECT_EQ(load_history(path, 100).size(), 1u);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace r1
