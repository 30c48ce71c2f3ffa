// r1 train as people use it: the plan, a short run, going on, and what stops it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tests/e2e/process.h"

namespace r1 {
namespace {

const std::string kRecipe = R"(
[run]
steps = 3
[model]
config = ")" R1_SOURCE R"(/models/r1-nano"
[data]
generator = "puzzles"
evaluate_examples = 8
[batch]
sequences = 8
[optimizer]
lr = 3e-3
)";

class Train : public testing::Test {
 protected:
  Train() { write("recipe.toml", kRecipe); }

  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file(folder_ / name, text));
  }
  Finished train(std::vector<std::string> more, const std::string& kind = "pretrain") {
    std::vector<std::string> args = {"train", kind, folder_ / "recipe.toml", "--set",
                                     "run.out=" + (folder_ / "out")};
    args.insert(args.end(), more.begin(), more.end());
    return run_r1(args);
  }
  std::vector<nlohmann::json> metrics() {
    std::vector<nlohmann::json> lines;
    std::string text = *read_file(folder_ / "out/metrics.jsonl", 1 << 20);
    for (size_t end; (end = text.find('\n')) != text.npos; text.erase(0, end + 1))
      lines.push_back(nlohmann::json::parse(text.substr(0, end)));
    return lines;
  }
  std::string weights(int step) {
    return *read_file(folder_ / ("out/step-" + std::to_string(step) + "/model.safetensors"),
                      1 << 28);
  }

  TemporaryFolder folder_;
};

TEST_F(Train, ADryRunPrintsThePlanAndWritesNothing) {
  const Finished r = train({"--dry-run"});
  ASSERT_EQ(r.code, 0) << r.err;
  for (const char* said : {"data      examples without end", "steps     3 of 8 sequences", "time ",
                           "memory ", "a checkpoint", "files "}) {
    EXPECT_NE(r.out.find(said), std::string::npos) << said << "\n" << r.out;
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Train, ADryRunSaysWhatTooLargeMicroBatchesWouldNeed) {
  const Finished r = train(
      {"--dry-run", "--set", "batch.sequences=1000000", "--set", "batch.micro_tokens=16777216"});
  EXPECT_EQ(r.code, 1);
  for (const char* said : {"a micro batch of 16,777,216 tokens would need about ",
                           " are free: ", "batch.micro_tokens = "}) {
    EXPECT_NE(r.err.find(said), std::string::npos) << said << "\n" << r.err;
  }
}

TEST_F(Train, TheLossFallsAndARunThatGoesOnEndsWithTheSameBits) {
  const Finished whole = train({"--set", "run.steps=6"});
  ASSERT_EQ(whole.code, 0) << whole.err;
  std::vector<double> losses;
  for (const auto& line : metrics()) {
    if (line.contains("loss")) losses.push_back(line["loss"]);
  }
  ASSERT_EQ(losses.size(), 6u);
  EXPECT_LT(losses.back(), losses.front());
  const std::string want = weights(6);
  std::filesystem::remove_all(folder_ / "out");
  ASSERT_EQ(train({}).code, 0);  // three steps
  const Finished rest = train({"--set", "run.steps=6", "--set", "run.threads=1"});
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_EQ(weights(6), want);
  const Finished other = train({"--set", "optimizer.lr=1e-4"});
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("optimizer.lr was 0.003 when the run began and is 0.0001 now"),
            std::string::npos)
      << other.err;
}

TEST_F(Train, AnExplodingGradientStopsWithStepTensorAndBatch) {
  const Finished r = train({"--set", "optimizer.stop_norm=1e-3", "--set", "checkpoint.every=1"});
  EXPECT_EQ(r.code, 1);
  for (const char* said : {"step 1: the gradients' norm is", "the largest is model.",
                           "its batch: puzzles 0", "no checkpoint was saved yet"}) {
    EXPECT_NE(r.err.find(said), std::string::npos) << said << "\n" << r.err;
  }
}

TEST_F(Train, InterruptedItSavesAndSaysHowToGoOn) {
  const std::vector<std::string> args = {
      "train", "pretrain",        folder_ / "recipe.toml", "--set", "run.out=" + (folder_ / "out"),
      "--set", "run.steps=100000"};
  const Finished r = run_r1(args, "", 400);
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_NE(r.out.find("interrupted; the same command goes on"), std::string::npos) << r.out;
  const auto done = static_cast<int>(metrics().back()["step"]);
  EXPECT_TRUE(
      std::filesystem::exists(folder_ / ("out/step-" + std::to_string(done) + "/manifest.json")));
}

TEST_F(Train, SftLearnsFromLinesAndNamesABadOne) {
  std::string lines;
  for (int i = 0; i < 40; ++i)
    lines += "{\"ids\": [0, " + std::to_string(10 + i % 5) + ", 20, 30, 1]}\n";
  write("data.jsonl", lines);
  const std::vector<std::string> set = {"--set", "data.generator=", "--set",
                                        "data.train=" + (folder_ / "data.jsonl")};
  const Finished good = train(set, "sft");
  EXPECT_EQ(good.code, 0) << good.err;
  write("data.jsonl", lines + "{\"ids\": [1, 99999]}\n");
  auto dry = set;
  dry.emplace_back("--dry-run");
  dry.insert(dry.end(), {"--set", "data.evaluate_examples=0"});
  const Finished bad = train(dry, "sft");
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.err.find("data.jsonl:41: token 99999: the model knows 352"), std::string::npos)
      << bad.err;
}

TEST(TrainKeys, TheGuideHoldsThemAsTheProgramPrintsThem) {
  const Finished r = run_r1({"train", "--keys"});
  ASSERT_EQ(r.code, 0) << r.err;
  const std::string guide = *read_file(R1_SOURCE "/docs/train.md", 1 << 20);
  EXPECT_NE(guide.find(r.out), std::string::npos)
      << "the key list of docs/train.md is not what `r1 train --keys` prints";
  EXPECT_EQ(run_r1({"train", "pretrain"}).code, 1);
}

}  // namespace
}  // namespace r1
