#include "model/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "model/layers/rope.h"
#include "tests/golden/random_model.h"

namespace r1 {
namespace {

// What read_decoder makes of a config.json, or its error.
Result<Config> read_config(const std::string& json, const std::string& architecture = "llama") {
  const auto file = WeightFile::from_memory("config.json", std::as_bytes(std::span(json)));
  if (!file) return file.error();
  Config c;
  c.architecture = architecture;
  Reader reader(*file, architecture);
  read_decoder(reader, c);
  R1_DO(reader.finish());
  return c;
}

// A config.json with more or other settings; the last of a kind wins.
std::string config(const std::string& more) {
  return R"({"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5)" +
         (more.empty() ? "" : ", " + more) + "}";
}

std::string failure(const std::string& more, const std::string& architecture = "llama") {
  const auto c = read_config(config(more), architecture);
  return c ? "" : c.error().message;
}

TEST(Config, HeadSizeIsDerivedUnlessSaid) {
  EXPECT_EQ(read_config(config(""))->head_dim, 128);
  EXPECT_EQ(read_config(config(R"("head_dim": 64)"))->head_dim, 64);
}

TEST(Config, RefusesByNameWhatItCannotCompute) {
  EXPECT_EQ(failure(R"("hidden_act": "gelu")"), "hidden_act = gelu: not known; silu is");
  EXPECT_NE(failure(R"("rope_scaling": {"rope_type": "dynamic", "factor": 2.0})")
                .find("= dynamic: its angles change"),
            std::string::npos);
  EXPECT_EQ(failure(R"("rope_scaling": {"rope_type": "longrope", "factor": 2.0})"),
            "rope_scaling.rope_type = longrope: not known; linear, yarn and llama3 are");
  EXPECT_EQ(failure(R"("rope_scaling": {"rope_type": "linear", "factor": 2.0, "spin": 3})"),
            "rope_scaling.spin = 3: this setting is not known for llama");
  EXPECT_EQ(failure(R"("use_sliding_window": true, "sliding_window": 4096)", "qwen2"),
            "sliding_window = 4096: attention to a window only is not known; a context of 131072 "
            "needs it");
  EXPECT_EQ(failure(R"("layer_types": ["full_attention", "sliding_attention"])", "qwen2"),
            "layer_types.1 = sliding_attention: only full_attention is known");
}

TEST(Config, AWindowThatIsNotUsedIsNoReasonToRefuse) {
  EXPECT_EQ(
      failure(R"("use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28)",
              "qwen2"),
      "");
  EXPECT_EQ(
      failure(R"("use_sliding_window": true, "sliding_window": 4096, "max_window_layers": 32)",
              "qwen2"),
      "");
}

TEST(Rope, Llama3DividesThePairsThatTheFactSheetNames) {
  const auto scaled = read_config(
      config(R"("rope_theta": 500000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})"));
  ASSERT_TRUE(scaled) << scaled.error().message;
  RopeConfig plain = scaled->rope;
  plain.scaling = RopeScaling::kNone;
  const auto f = rope_frequencies(scaled->rope), base = rope_frequencies(plain);
  ASSERT_EQ(f.size(), 64u);
  const double passage[] = {1.2075, 1.5534, 2.0263, 2.6945, 3.6843, 5.2573};
  for (size_t i = 0; i < 64; ++i) {
    const double want = i < 29 ? 1 : i < 35 ? passage[i - 29] : 8;
    EXPECT_NEAR(base[i] / f[i], want, 5e-5) << i;
  }
}

TEST(Rope, YarnIsR1sRamp) {
  RopeConfig rope;
  rope.dim = 64;
  rope.original_context = 4096;
  rope.factor = 40;
  const auto base = rope_frequencies(rope);
  rope.scaling = RopeScaling::kYarn;
  const auto f = rope_frequencies(rope);
  for (size_t i = 0; i < 32; ++i) {
    const double ramp = std::min(1.0, std::max(0.0, (static_cast<double>(i) - 10) / 13));
    EXPECT_NEAR(f[i] / base[i], ramp / 40 + (1 - ramp), 1e-12) << i;
  }
}

TEST(Rope, YarnsAttentionFactor) {
  const auto factor = [](const std::string& more) {
    return read_config(
               config(R"("rope_scaling": {"rope_type": "yarn", "factor": 40.0)" + more + "}"))
        ->rope.attention_factor;
  };
  EXPECT_NEAR(factor(""), 1.3688879, 1e-7);
  EXPECT_NEAR(factor(R"(, "mscale": 1.0, "mscale_all_dim": 1.0)"), 1, 1e-12);
  EXPECT_NEAR(factor(R"(, "attention_factor": 1.5)"), 1.5, 1e-12);
}

class ModelLoad : public testing::Test {
 protected:
  const std::string folder_ = testing::TempDir() + "r1_model_" + std::to_string(::getpid());
  Context ctx_{Isa::kRef, 1};

  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // A Hugging Face folder with the random llama's weights in F32, changed.
  std::string load(const std::string& settings,
                   const std::function<void(std::vector<RandomTensor>&)>& change,
                   int64_t n_layers = 1) {
    auto tensors = random_llama_tensors(1);
    change(tensors);
    std::vector<std::vector<std::byte>> data;
    std::vector<TensorInfo> stored;
    for (const RandomTensor& t : tensors) {
      const auto n = static_cast<size_t>(t.shape[0] * (t.shape.size() > 1 ? t.shape[1] : 1));
      data.push_back(random_blocks(DType::kF32, data.size(), n));
      stored.push_back({t.hf, DType::kF32, t.shape, data.back()});
    }
    if (!write_safetensors(folder_ + "/model.safetensors", stored)) return "cannot write";
    std::ofstream(folder_ + "/config.json")
        << R"({"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 8,
               "num_key_value_heads": 2, "vocab_size": 40, "max_position_embeddings": 512, "rms_norm_eps": 1e-5)"
        << settings << R"(, "num_hidden_layers": )" << n_layers << "}";
    const auto file = WeightFile::open(folder_);
    if (!file) return file.error().message;
    const auto model = Model::load(*file, {}, ctx_);
    if (model) return "";
    const std::string prefix = "cannot load " + folder_ + ": ";
    EXPECT_EQ(model.error().message.substr(0, prefix.size()), prefix);
    return model.error().message.substr(prefix.size());
  }
};

void unchanged(std::vector<RandomTensor>&) {}

TEST_F(ModelLoad, ReportsAllMismatchesTogether) {
  const std::string llama = R"(, "model_type": "llama")";
  EXPECT_EQ(load(llama, unchanged), "");
  EXPECT_EQ(load(llama,
                 [](auto& t) {
                   t[3 + 7].shape = {128, 256};
                 }),
            "model.layers.0.mlp.up_proj.weight: shape [256, 256] expected, file has [128, 256]");
  EXPECT_EQ(load(llama,
                 [](auto& t) {
                   t[1].shape = {255};
                   t[3 + 1].hf = "model.layers.0.self_attn.query.weight";
                 }),
            "3 tensors do not fit:\n"
            "  model.layers.0.self_attn.q_proj.weight: missing, shape [256, 256] expected\n"
            "  model.norm.weight: shape [256] expected, file has [255]\n"
            "  model.layers.0.self_attn.query.weight: not known to this architecture");
}

TEST_F(ModelLoad, NamesWhatItDoesNotKnow) {
  EXPECT_EQ(load("", unchanged), "model_type is missing: nothing says what model this is");
  EXPECT_EQ(load(R"(, "model_type": "mamba")", unchanged),
            "model_type = mamba: not known; llama, qwen2, qwen3, deepseek_v3, deepseek_v2 are");
  EXPECT_EQ(load(R"(, "model_type": "llama", "architectures": ["LlamaForSequenceClassification"])",
                 unchanged),
            "architectures = LlamaForSequenceClassification: not known; LlamaForCausalLM, "
            "Qwen2ForCausalLM, "
            "Qwen3ForCausalLM, DeepseekV3ForCausalLM, DeepseekV2ForCausalLM are");
  EXPECT_EQ(load(R"(, "model_type": "llama", "quantization_config": {"quant_method": "gptq"})",
                 unchanged),
            "quantization_config.quant_method = gptq: not known; fp8 is, and GGUF for the rest");
}

TEST_F(ModelLoad, BiasesAreBoundWhereTheConfigSaysSo) {
  const std::string message =
      load(R"(, "model_type": "llama", "attention_bias": true, "mlp_bias": true)", unchanged);
  EXPECT_NE(message.find("7 tensors do not fit"), std::string::npos) << message;
  EXPECT_NE(message.find("self_attn.o_proj.bias: missing, shape [256] expected"), std::string::npos)
      << message;
}

TEST_F(ModelLoad, SizesThatCannotBeAreRefusedBeforeAnythingIsAllocated) {
  EXPECT_EQ(load(R"(, "model_type": "llama")", unchanged, 1000000000),
            "1000000000 layers in a file of 12 tensors");
}

TEST(ModelLoadAlone, AConfigWithoutWeightsIsRefused) {
  const std::string json = config(R"("model_type": "llama")");
  const auto file = WeightFile::from_memory("config.json", std::as_bytes(std::span(json)));
  ASSERT_TRUE(file) << file.error().message;
  Context ctx(Isa::kRef, 1);
  const auto model = Model::load(*file, {}, ctx);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message,
            "cannot load config.json: the checkpoint holds a configuration but no weights");
}

}  // namespace
}  // namespace r1
