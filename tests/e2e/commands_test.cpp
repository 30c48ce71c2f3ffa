#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/e2e/process.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using nlohmann::json;

TEST(Commands, HelpNamesThemAllAndEachHasExamples) {
  const Finished help = run_r1({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* command : {"run", "show", "quantize", "perplexity", "tokenize", "template",
                              "logits", "bench", "synth", "completion", "eval", "grade", "data"}) {
    EXPECT_NE(help.out.find(command), std::string::npos) << command;
    const Finished own = run_r1({command, "--help"});
    EXPECT_EQ(own.code, 0) << command;
    EXPECT_NE(own.out.find("Examples:"), std::string::npos) << command;
  }
}

TEST(Commands, VersionIsTold) {
  const Finished r = run_r1({"--version"});
  EXPECT_EQ(r.code, 0);
  EXPECT_EQ(r.out.find("r1 "), 0u);
}

TEST(Commands, WrongUsageIsExplainedWithTheNearestName) {
  const Finished command = run_r1({"rnu"});
  EXPECT_EQ(command.code, 2);
  EXPECT_NE(command.err.find("no such command: rnu; did you mean run?"), std::string::npos)
      << command.err;
  const Finished flag = run_r1({"run", "x.gguf", "--temprature", "0"});
  EXPECT_EQ(flag.code, 2);
  EXPECT_NE(flag.err.find("did you mean --temperature?"), std::string::npos) << flag.err;
  EXPECT_EQ(run_r1({}).code, 2);
  EXPECT_EQ(run_r1({"run", "--seed"}).code, 2);
}

TEST(Commands, CompletionScriptsNameCommandsAndFlags) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Finished r = run_r1({"completion", shell});
    ASSERT_EQ(r.code, 0) << r.err;
    for (const char* word : {"quantize", "top-p", "auto on off"})
      EXPECT_NE(r.out.find(word), std::string::npos) << shell;
  }
  EXPECT_EQ(run_r1({"completion", "tcsh"}).code, 2);
}

// bash itself reads the script and completes with it.
TEST(Commands, BashCompletes) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "r1.bash", run_r1({"completion", "bash"}).out));
  const std::string script =
      "bash -n " + (folder / "r1.bash") + " && bash -c 'source " + (folder / "r1.bash") +
      "; COMP_WORDS=(r1 run --think o); COMP_CWORD=3; _r1; echo ${COMPREPLY[*]}; "
      "COMP_WORDS=(r1 bench --compute f); COMP_CWORD=3; _r1; echo ${COMPREPLY[*]}; "
      "COMP_WORDS=(r1 qu); COMP_CWORD=1; _r1; echo ${COMPREPLY[*]}' > " +
      (folder / "out");
  ASSERT_EQ(std::system(script.c_str()), 0);
  EXPECT_EQ(*read_file(folder / "out", 1000), "on off\nf32\nquantize\n");
}

TEST(Commands, AFullDiskIsAFailure) {
  for (const char* args : {" completion bash", " run --json --max-tokens 3"}) {
    const std::string shell =
        std::string("echo hi | " R1_PROGRAM) + args + " > /dev/full 2> /dev/null";
    EXPECT_EQ(exit_code(std::system(shell.c_str())), 1) << args;
  }
}

TEST(Commands, ShowTellsTheModel) {
  const Finished r = run_r1({"show", stories()});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("llama"), std::string::npos);
  EXPECT_EQ(r.out.find('\x1b'), std::string::npos);
}

TEST(Commands, TokenizeThereAndBack) {
  const Finished there =
      run_r1({"tokenize", stories(), "--jsonl"}, "{\"text\": \"Once upon a time\"}\n");
  ASSERT_EQ(there.code, 0) << there.err;
  EXPECT_FALSE(json::parse(there.out)["ids"].empty());
  const Finished back = run_r1({"tokenize", stories(), "--jsonl", "--decode"}, there.out);
  ASSERT_EQ(back.code, 0) << back.err;
  EXPECT_EQ(json::parse(back.out)["text"], "Once upon a time");
}

TEST(Commands, TemplateRendersAndReportsErrors) {
  const TemporaryFolder folder;
  ASSERT_TRUE(
      write_file(folder / "t.jinja", "{% for m in messages %}[{{ m.content }}]{% endfor %}"));
  const Finished r = run_r1({"template", folder / "t.jinja", "--jsonl"},
                            "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], "
                            "\"add_generation_prompt\": true}\n");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(json::parse(r.out)["rendered"], "[hi]");
}

TEST(Commands, QuantizedStoriesStillTellStories) {
  const TemporaryFolder folder;
  const std::string small = folder / "q8.gguf";
  const Finished r = run_r1({"quantize", stories(), small, "--type", "q8_0"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_LT(std::filesystem::file_size(small), std::filesystem::file_size(stories()));
  const Finished story =
      run_r1({"run", small, "Once upon a time", "--max-tokens", "10", "--temperature", "0"});
  EXPECT_EQ(story.code, 0) << story.err;
  EXPECT_FALSE(story.out.empty());
}

TEST(Commands, PerplexityOfASmallText) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "Once upon a time there was a little girl. ";
  ASSERT_TRUE(write_file(folder / "text", text));
  const Finished r = run_r1({"perplexity", stories(), folder / "text", "--json"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_GT(json::parse(r.out)["perplexity"].get<double>(), 1.0);
}

TEST(Commands, BenchMeasuresAModel) {
  const Finished r = run_r1({"bench", stories(), "--prefill", "8", "--decode", "2", "--depth", "0",
                             "--batch", "1", "--repeat", "1", "--json"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_FALSE(json::parse(r.out)["results"].empty());
}

TEST(Commands, BenchDrivesTheBatcher) {
  const Finished r = run_r1({"bench", stories(), "--serve", "8", "--group", "4", "--prefill", "40",
                             "--decode", "4", "--batch", "8", "--json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const json served = json::parse(r.out)["results"][0];
  EXPECT_EQ(served["prompt_tokens"], 8 * 40);
  EXPECT_EQ(served["cached_tokens"], 6 * 39) << "each prompt but its last token once";
}

TEST(Commands, BenchMeasuresSpeculation) {
  const Finished r = run_r1({"bench", stories(), "--prefill", "0", "--decode", "20", "--depth", "0",
                             "--batch", "1", "--repeat", "1", "--speculate", "lookup", "--json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const json results = json::parse(r.out)["results"];
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[1]["test"], "lookup replayed");
  EXPECT_EQ(results[2]["test"], "lookup new");
  for (const auto i : {1, 2}) EXPECT_GT(results[i]["speedup"].get<double>(), 0);
}

TEST(Commands, SynthesizedModelsRun) {
  const TemporaryFolder folder;
  const Finished r = run_r1({"synth", "tiny", folder / "tiny.gguf"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(run_r1({"show", folder / "tiny.gguf"}).code, 0);
}

TEST(Commands, LogitsOfIds) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder / "ids.json", "[[1, 403, 407], [1, 2]]"));
  const std::string out = folder / "logits.safetensors";
  const Finished r =
      run_r1({"logits", stories(), "--ids", folder / "ids.json", "-o", out, "--greedy", "2"});
  ASSERT_EQ(r.code, 0) << r.err;
  const auto bytes = read_file(out, 1 << 20);
  ASSERT_TRUE(bytes);
  for (const char* name : {"logits_0", "logits_1", "greedy_0"})
    EXPECT_NE(bytes->find(name), std::string::npos);
}

}  // namespace
}  // namespace r1
