// Our forward against references in F32 by transformers (golden/), llama2.c (stories260K) and
// PyTorch (SmolLM2), with
// `--compute f32` and an F32 cache, on every instruction set of this machine.
#include <cstring>

#include "model/replay.h"
#include "tests/golden/golden.h"

namespace r1 {
namespace {

using Json = nlohmann::json;

// Mean next-token cross entropy of `ids` under logits [T, vocab].
double loss(const std::vector<float>& logits, const std::vector<int32_t>& ids) {
  const size_t vocab = logits.size() / ids.size();
  double sum = 0;
  for (size_t t = 0; t + 1 < ids.size(); ++t) {
    const float* row = &logits[t * vocab];
    const float top = *std::max_element(row, row + vocab);
    double z = 0;
    for (size_t i = 0; i < vocab; ++i) z += std::exp(static_cast<double>(row[i]) - top);
    sum += top + std::log(z) - row[ids[t + 1]];
  }
  return sum / static_cast<double>(ids.size() - 1);
}

class TinyCheckpoint : public testing::TestWithParam<std::string> {};

TEST_P(TinyCheckpoint, LogitsHiddenStatesLossAndGreedyIdsAreTheReferences) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  const auto golden = WeightFile::open(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message;
  const Json json = Json::parse(read_test_file(folder + "/golden.json"));
  const auto a = golden_tensor<int32_t>(*golden, "tokens_a"),
             b = golden_tensor<int32_t>(*golden, "tokens_b");
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    Context ctx(isa, 2);
    const auto model = load_model(folder, Compute::kF32, ctx);
    ReplayOptions options;
    options.hidden = true;
    options.chunk = 64;
    const auto both = replay(*model, ctx, {a, b}, options);
    ASSERT_TRUE(both) << both.error().message;
    EXPECT_LE(max_difference((*both)[0].logits, golden_tensor<float>(*golden, "logits_a")), 1e-3f);
    EXPECT_LE(max_difference((*both)[1].logits, golden_tensor<float>(*golden, "logits_b")), 1e-3f);
    for (size_t i = 0; i < (*both)[0].hidden.size(); ++i) {
      const auto want = golden_tensor<float>(*golden, "hidden_" + std::to_string(i));
      EXPECT_LE(max_difference((*both)[0].hidden[i], want), 1e-3f) << "hidden " << i;
    }
    EXPECT_EQ(std::ssize((*both)[0].hidden), model->config().n_layers + 1);
    EXPECT_NEAR(loss((*both)[0].logits, a), json["loss"].get<double>(), 1e-4);

    options = {};
    options.greedy = std::ssize(json["greedy_ids"]);
    const auto greedy =
        replay(*model, ctx, {json["greedy_prompt"].get<std::vector<int32_t>>()}, options);
    ASSERT_TRUE(greedy) << greedy.error().message;
    EXPECT_EQ((*greedy)[0].greedy, json["greedy_ids"].get<std::vector<int32_t>>());
  }
}

INSTANTIATE_TEST_SUITE_P(, TinyCheckpoint,
                         testing::Values("qwen2", "qwen3", "llama3", "deepseek_v3",
                                         "deepseek_v3_fp8", "deepseek_v3_no_q_lora",
                                         "deepseek_v2_lite"),
                         [](const auto& test) { return test.param; });

TEST(Golden, Stories260K) {
  R1_TEST_DATA(folder, "models/stories260K");
  Context ctx(supported_isas().back(), 2);
  const auto model = load_model(folder + "/stories260K.f32.gguf", Compute::kF32, ctx);
  std::istringstream lines(read_test_file(folder + "/golden.jsonl"));
  int n = 0;
  for (std::string line; std::getline(lines, line); ++n) {
    const Json json = Json::parse(line);
    ReplayOptions options;
    options.greedy = std::ssize(json["greedy_ids"]);
    const auto got = replay(*model, ctx, {json["prompt_ids"].get<std::vector<int32_t>>()}, options);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ((*got)[0].greedy, json["greedy_ids"].get<std::vector<int32_t>>());
    const auto& all = (*got)[0].logits;
    const std::vector<float> last(all.end() - model->config().vocab_size, all.end());
    EXPECT_LE(max_difference(last, json["last_prompt_logits"].get<std::vector<float>>()), 1e-3f);
  }
  EXPECT_EQ(n, 5);
}

TEST(Golden, SmolLM2) {
  R1_TEST_DATA(folder, "models/smollm2-135m-instruct");
  Context ctx(supported_isas().back(), 2);
  const auto model = load_model(folder + "/SmolLM2-135M-Instruct.Q4_1.gguf", Compute::kF32, ctx);
  const auto golden = WeightFile::open(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message;
  const Json chat = Json::parse(read_test_file(folder + "/golden.json"))["chat"];
  constexpr double kTolerance = 1e-2;
  // Each answer is given, not generated: by law 1 the logits are the same, and it is one batch.
  std::vector<std::vector<int32_t>> texts;
  for (const Json& turn : chat) {
    texts.push_back(turn["prompt_ids"]);
    const auto answer = turn["greedy_ids_f32"].get<std::vector<int32_t>>();
    texts.back().insert(texts.back().end(), answer.begin(), answer.end());
  }
  const auto got = replay(*model, ctx, texts, {});
  ASSERT_TRUE(got) << got.error().message;
  const auto vocab = static_cast<size_t>(model->config().vocab_size);
  for (size_t i = 0; i < chat.size(); ++i) {
    SCOPED_TRACE(chat[i]["question"].get<std::string>());
    const size_t n = chat[i]["prompt_ids"].size();
    const float* logits = &(*got)[i].logits[(n - 1) * vocab];
    const auto want = golden_tensor<float>(*golden, "logits_last_" + std::to_string(i));
    EXPECT_LE(max_difference({logits, logits + vocab}, want), kTolerance);
    if (chat[i]["greedy_min_gap_f32"] < kTolerance) continue;
    for (size_t t = n; t < texts[i].size(); ++t, logits += vocab) {
      EXPECT_EQ(std::max_element(logits, logits + vocab) - logits, texts[i][t])
          << "token " << t - n;
    }
  }
}

}  // namespace
}  // namespace r1
