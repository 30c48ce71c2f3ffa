#include "format/parameters.h"

#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

Result<ParameterCount> count(std::string_view config) {
  const auto file = WeightFile::from_memory("config.json",
                                            std::as_bytes(std::span(config.data(), config.size())));
  EXPECT_EQ(message(file), "");
  return count_parameters(*file);
}

std::string dense(const char* type, int layers, int dim, int heads, int kv_heads, int inter,
                  int vocab) {
  return fmt::format(
      R"({{"model_type":"{}","num_hidden_layers":{},"hidden_size":{},"num_attention_heads":{},)"
      R"("num_key_value_heads":{},"intermediate_size":{},"vocab_size":{}}})",
      type, layers, dim, heads, kv_heads, inter, vocab);
}

// DeepSeek-R1's config.json, what of it counts.
constexpr const char* kR1 =
    R"({"model_type":"deepseek_v3","vocab_size":129280,"hidden_size":7168,"num_hidden_layers":61,)"
    R"("intermediate_size":18432,"moe_intermediate_size":2048,"num_attention_heads":128,"num_key_value_heads":128,)"
    R"("q_lora_rank":1536,"kv_lora_rank":512,"qk_nope_head_dim":128,"qk_rope_head_dim":64,"v_head_dim":128,)"
    R"("n_routed_experts":256,"n_shared_experts":1,"num_experts_per_tok":8,"n_group":8,"topk_group":4,)"
    R"("topk_method":"noaux_tc","first_k_dense_replace":3,"moe_layer_freq":1,"num_nextn_predict_layers":1,)"
    R"("tie_word_embeddings":false})";

TEST(Parameters, OfDeepSeekR1) {
  const auto n = count(kR1);
  ASSERT_EQ(message(n), "");
  EXPECT_EQ(n->total, 671'026'419'200u);
  // The published 36,625,603,584 + the embedding's rows leave out the 256 balancing biases of 58
  // layers.
  EXPECT_EQ(n->active, 36'625'603'584u + 129280u * 7168u + 58u * 256u);
}

TEST(Parameters, OfTheDistills) {
  EXPECT_EQ(count(dense("qwen2", 28, 1536, 12, 2, 8960, 151936))->total, 1'777'088'000u);
  EXPECT_EQ(count(dense("qwen2", 28, 3584, 28, 4, 18944, 152064))->total, 7'615'616'512u);
  EXPECT_EQ(count(dense("llama", 32, 4096, 32, 8, 14336, 128256))->total, 8'030'261'248u);
  EXPECT_EQ(count(dense("qwen2", 48, 5120, 40, 8, 13824, 152064))->total, 14'770'033'664u);
  EXPECT_EQ(count(dense("qwen2", 64, 5120, 40, 8, 27648, 152064))->total, 32'763'876'352u);
  EXPECT_EQ(count(dense("llama", 80, 8192, 64, 8, 28672, 128256))->total, 70'553'706'496u);
  EXPECT_EQ(count(dense("llama", 80, 8192, 64, 8, 28672, 128256))->active, 70'553'706'496u);
}

TEST(Parameters, ConfigAndTensorsAgree) {
  for (const char* name : {"golden/qwen2", "golden/qwen3", "golden/llama3", "golden/deepseek_v3",
                           "golden/deepseek_v3_fp8", "golden/deepseek_v3_no_q_lora",
                           "golden/deepseek_v2_lite", "models/arith-llama-tiny"}) {
    R1_TEST_DATA(path, name);
    const auto stored = WeightFile::open(path), alone = WeightFile::open(path + "/config.json");
    ASSERT_TRUE(stored && alone) << name;
    const auto by_tensors = count_parameters(*stored), by_config = count_parameters(*alone);
    ASSERT_TRUE(by_tensors && by_config) << name;
    EXPECT_EQ(by_tensors->total, by_config->total) << name;
    EXPECT_EQ(by_tensors->active, by_config->active) << name;
  }
}

TEST(Parameters, OfAGgufWithExperts) {
  Bytes b;
  b.gguf(4, 3).key("general.architecture", 8).string("deepseek2");
  b.key("deepseek2.expert_count", 4)
      .put<uint32_t>(4)
      .key("deepseek2.expert_used_count", 4)
      .put<uint32_t>(1);
  b.tensor("token_embd.weight", {8, 4}, 0, 0).tensor("blk.0.ffn_up_exps.weight", {8, 2, 4}, 0, 128);
  b.tensor("blk.0.ffn_up_shexp.weight", {8, 2}, 0, 384)
      .tensor("rope_freqs.weight", {8}, 0, 448)
      .pad(32)
      .zeros(480);
  const auto n = count_parameters(*WeightFile::from_memory("x.gguf", b.span()));
  ASSERT_EQ(message(n), "");
  EXPECT_EQ(n->total, 32u + 64u + 16u);
  EXPECT_EQ(n->active, 32u + 16u + 16u);
}

TEST(Parameters, OfKnownShapes) {
  const ParameterCount n = count_parameters(**find_shape("deepseek-r1"));
  EXPECT_EQ(n.total, 671'026'419'200u);
  EXPECT_EQ(n.active, 36'625'603'584u + 129280u * 7168u + 58u * 256u);
}

TEST(Parameters, RefusesConfigsItCannotCount) {
  EXPECT_SAYS(message(count("{}")), "model_type: missing");
  EXPECT_SAYS(message(count(R"({"model_type":"mamba"})")), "model_type 'mamba' is not known here");
  EXPECT_SAYS(message(count(R"({"model_type":"llama"})")), "hidden_size: missing");
  EXPECT_SAYS(message(count(R"({"model_type":"llama","hidden_size":0})")),
              "hidden_size: 0, allowed are 1 to");
  EXPECT_SAYS(message(count(R"({"model_type":"llama","hidden_size":"big"})")),
              "hidden_size: \"big\" is not a whole number");
  EXPECT_SAYS(message(count(R"({"model_type":"llama","hidden_size":4000000000})")),
              "hidden_size: 4000000000, allowed are 1 to 1048576");
  const auto r1_with = [](const char* setting) {
    std::string config = kR1;
    config.insert(1, std::string(setting) + ",");
    return message(count(config));
  };
  EXPECT_SAYS(r1_with(R"("scoring_func":"tanh")"), "scoring_func: 'tanh', known are");
}

}  // namespace
}  // namespace r1
