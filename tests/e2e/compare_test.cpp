// The commands that compare: r1 logits --loss --grads against PyTorch's numbers, r1 eval, r1 grade
// and r1 data on the built program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/file.h"
#include "tests/e2e/process.h"
#include "tests/golden/golden.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using nlohmann::json;

class LossAndGradients : public testing::TestWithParam<std::string> {};

TEST_P(LossAndGradients, ArePyTorchs) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  const auto golden = WeightFile::open(folder + "/golden.safetensors");
  const auto want = WeightFile::open(folder + "/grads.safetensors");
  ASSERT_TRUE(golden && want);
  const TemporaryFolder scratch;
  ASSERT_TRUE(
      write_file(scratch / "ids.json", json(golden_tensor<int32_t>(*golden, "tokens_a")).dump()));
  const Finished r = run_r1({"logits", folder, "--ids", scratch / "ids.json", "--loss", "--grads",
                             scratch / "g.safetensors", "--compute", "f32"});
  ASSERT_EQ(r.code, 0) << r.err;
  const double loss = json::parse(read_test_file(folder + "/golden.json"))["loss"];
  EXPECT_NEAR(json::parse(r.out)["loss"].get<double>(), loss, 1e-4);
  const auto got = WeightFile::open(scratch / "g.safetensors");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->tensors().size(), want->tensors().size());
  for (const TensorInfo& t : want->tensors()) {
    const TensorInfo* const mine = got->find(t.name);
    ASSERT_TRUE(mine) << t.name;
    EXPECT_EQ(mine->shape, t.shape) << t.name;
    const auto a = golden_tensor<float>(*got, t.name), b = golden_tensor<float>(*want, t.name);
    ASSERT_EQ(a.size(), b.size()) << t.name;
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      difference += std::pow(double{a[i]} - double{b[i]}, 2);
      norm += std::pow(double{b[i]}, 2);
    }
    EXPECT_LE(std::sqrt(difference), 1e-4 * std::sqrt(norm)) << t.name;
  }
  // The loss alone takes another path through the learner, and is the same.
  const Finished alone =
      run_r1({"logits", folder, "--ids", scratch / "ids.json", "--loss", "--compute", "f32"});
  EXPECT_NEAR(json::parse(alone.out)["loss"].get<double>(), loss, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(, LossAndGradients,
                         testing::Values("qwen2", "qwen3", "llama3", "deepseek_v3"),
                         [](const auto& test) { return test.param; });

TEST(LossCommand, RefusesWhatItCannotSay) {
  const TemporaryFolder scratch;
  ASSERT_TRUE(write_file(scratch / "one.json", "[1]"));
  ASSERT_TRUE(write_file(scratch / "big.json", "[1, 99999]"));
  const auto message = [&](const std::string& ids, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"logits", stories(), "--ids", scratch / ids});
    const Finished r = run_r1(flags);
    EXPECT_EQ(r.code, 1);
    return r.err;
  };
  EXPECT_NE(message("one.json", {"--loss", "--compute", "f32"}).find("at least two"),
            std::string::npos);
  EXPECT_NE(message("big.json", {"--loss", "--compute", "f32"}).find("99999"), std::string::npos);
  EXPECT_NE(message("big.json", {"--loss"}).find("--compute f32"), std::string::npos);
  EXPECT_NE(message("big.json", {"--grads", "x"}).find("--loss"), std::string::npos);
  EXPECT_NE(message("big.json", {}).find("-o OUT"), std::string::npos);
}

// A story model solves nothing: what is tested is that all is drawn, graded and told, and that the
// batch changes none of it.
TEST(Eval, IsTheSameWhateverTheBatch) {
  const TemporaryFolder scratch;
  ASSERT_TRUE(write_file(scratch / "p.jsonl",
                         "{\"nums\":[1,5,8],\"target\":40}\n{\"nums\":[2,3],\"target\":6}\n"));
  std::string answers[2];
  for (const int i : {0, 1}) {
    const Finished r = run_r1({"eval",
                               "countdown",
                               "--problems",
                               scratch / "p.jsonl",
                               "--model",
                               stories(),
                               "--samples",
                               "4",
                               "--temperature",
                               "1",
                               "--seed",
                               "3",
                               "--max-tokens",
                               "24",
                               "--json",
                               "--answers",
                               scratch / "a.jsonl",
                               "--batch",
                               i == 0 ? "1" : "8",
                               "--threads",
                               i == 0 ? "1" : "2"});
    ASSERT_EQ(r.code, 0) << r.err;
    const json result = json::parse(r.out);
    EXPECT_EQ(result["problems"], 2);
    EXPECT_EQ(result["samples"], 4);
    for (const char* name : {"pass@1", "pass@2", "pass@4", "cons@4"}) {
      EXPECT_EQ(result[name]["value"], 0) << name;
      EXPECT_GT(result[name]["high"], 0) << name;
    }
    EXPECT_EQ(result["unanswered"], 1);
    EXPECT_GT(result["mean_length"], 0);
    EXPECT_LE(result["mean_length"], 24);
    EXPECT_GT(result["tokens_per_second"], 0);
    answers[i] = *read_file(scratch / "a.jsonl", 1 << 20);
  }
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(std::count(answers[0].begin(), answers[0].end(), '\n'), 8);
}

TEST(Eval, ErrorsNameTheProblem) {
  const TemporaryFolder scratch;
  ASSERT_TRUE(write_file(scratch / "p.jsonl", "{\"nums\":[1],\"target\":1}\n"));
  Finished r =
      run_r1({"eval", "countdown", "--problems", scratch / "p.jsonl", "--model", stories()});
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.err.find("p.jsonl: line 1: nums"), std::string::npos) << r.err;
  r = run_r1({"eval", "countdwn", "--model", stories()});
  EXPECT_NE(r.err.find("countdown4"), std::string::npos) << r.err;
  r = run_r1({"eval", "countdown", "--model", stories(), "--max-tokens", "100000"});
  EXPECT_NE(r.err.find("the context 512"), std::string::npos) << r.err;
}

TEST(Grade, TinyZerosGoldenScores) {
  R1_TEST_DATA(path, "train/countdown_reward_golden.jsonl");
  const std::string text = read_test_file(path);
  const TemporaryFolder scratch;
  ASSERT_TRUE(write_file(scratch / "in.jsonl", text));
  const Finished piped = run_r1({"grade", "countdown", "--jsonl"}, text);
  const Finished r = run_r1({"grade", "countdown", "--jsonl", scratch / "in.jsonl"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(piped.out, r.out) << piped.err;
  std::istringstream want(text), got(r.out);
  std::string a, b;
  int lines = 0;
  for (; std::getline(want, a) && std::getline(got, b); ++lines)
    EXPECT_EQ(json::parse(b)["score"], json::parse(a)["score"]) << a;
  EXPECT_EQ(lines, 24);
}

TEST(Grade, OwnLinesAndBadOnes) {
  const std::string good =
      "{\"nums\":[1,5,8],\"target\":40,\"completion\":\"<answer>8*5*1</answer>\"}\n";
  const Finished r = run_r1({"grade", "countdown"}, good);
  EXPECT_EQ(r.out, "{\"score\":1.0,\"right\":true,\"answer\":\"8*5*1\",\"vote\":\"40\"}\n")
      << r.err;
  const Finished bad = run_r1({"grade", "countdown"}, good + "{\"nums\":[1,5]}\n");
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.err.find("line 2: "), std::string::npos) << bad.err;
}

TEST(Data, MakesInspectsAndConverts) {
  const TemporaryFolder scratch;
  const Finished list = run_r1({"data", "list"});
  EXPECT_NE(list.out.find("countdown3"), std::string::npos) << list.err;

  const Finished train = run_r1({"data", "make", "countdown3", "--n", "50", "--seed", "7"});
  EXPECT_EQ(train.out, run_r1({"data", "make", "countdown3", "--n", "50", "--seed", "7"}).out);
  EXPECT_EQ(std::count(train.out.begin(), train.out.end(), '\n'), 50);
  ASSERT_TRUE(write_file(scratch / "train.jsonl", train.out + train.out));
  Finished r = run_r1({"data", "inspect", scratch / "train.jsonl"});
  EXPECT_NE(r.out.find("0 lines put a held-out problem"), std::string::npos) << r.out << r.err;
  EXPECT_NE(r.out.find("lines        100"), std::string::npos) << r.out;

  r = run_r1({"data", "make", "countdown3", "--held-out", "-o", scratch / "held.jsonl"});
  ASSERT_EQ(r.code, 0) << r.err;
  r = run_r1({"data", "inspect", scratch / "held.jsonl"});
  EXPECT_NE(r.out.find("241 lines put a held-out problem"), std::string::npos) << r.out;

  r = run_r1({"data", "make", "texts:puzzles", "--n", "200", "-o", scratch / "texts.jsonl"});
  ASSERT_EQ(r.code, 0) << r.err;
  r = run_r1({"data", "inspect", scratch / "texts.jsonl", "--model", stories()});
  EXPECT_NE(r.out.find("0 lines put a held-out problem"), std::string::npos) << r.out << r.err;
  EXPECT_NE(r.out.find("tokens"), std::string::npos) << r.out;

  ASSERT_TRUE(write_file(scratch / "qa.csv", "question,answer\n\"a, b?\",\"x\n#### 1,234\"\n"));
  r = run_r1({"data", "convert", scratch / "qa.csv", "--to", "prompts"});
  EXPECT_EQ(r.out, "{\"prompt\":\"a, b?\",\"answer\":\"1234\"}\n") << r.err;
  r = run_r1(
      {"data", "convert", scratch / "qa.csv", "--to", "messages", "-o", scratch / "m.jsonl"});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(*read_file(scratch / "m.jsonl", 1000),
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a, b?\"},{\"role\":\"assistant\","
            "\"content\":\"x\\n#### 1,234\"}]}\n");
  r = run_r1({"data", "convert", scratch / "m.jsonl", "--to", "ids"});
  EXPECT_NE(r.err.find("--model"), std::string::npos) << r.err;
  ASSERT_TRUE(write_file(scratch / "t.jsonl", "{\"text\":\"Once upon a time\"}\n"));
  r = run_r1({"data", "convert", scratch / "t.jsonl", "--to", "ids", "--model", stories()});
  EXPECT_EQ(r.out.find("{\"ids\":["), 0u) << r.err;
  r = run_r1({"data", "convert", scratch / "qa.csv", "--question", "ask"});
  EXPECT_NE(r.err.find("there are question, answer"), std::string::npos) << r.err;
}

}  // namespace
}  // namespace r1
