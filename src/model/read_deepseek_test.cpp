#include "model/read_deepseek.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "format/test_bytes.h"

namespace r1 {
namespace {

Result<Config> read(const WeightFile& file) {
  Config c;
  c.architecture = "deepseek2";
  Reader reader(file, c.architecture);
  read_deepseek(reader, c);
  R1_DO(reader.finish());
  return c;
}

// R1's config.json with more or other settings.
Result<Config> read_json(const std::string& more = "") {
  auto config = nlohmann::json::parse(
      R"({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432,
    "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128,
    "vocab_size": 129280, "max_position_embeddings": 163840, "rms_norm_eps": 1e-6,
    "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
    "v_head_dim": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048, "n_group": 8, "topk_group": 4, "topk_method": "noaux_tc",
    "scoring_func": "sigmoid", "norm_topk_prob": true, "routed_scaling_factor": 2.5,
    "first_k_dense_replace": 3, "moe_layer_freq": 1, "num_nextn_predict_layers": 1,
    "rope_theta": 10000, "rope_scaling": {"type": "yarn", "factor": 40, "beta_fast": 32,
    "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0,
    "original_max_position_embeddings": 4096}})");
  config.merge_patch(nlohmann::json::parse("{" + more + "}"));
  const std::string json = config.dump();
  const auto file = WeightFile::from_memory("config.json", std::as_bytes(std::span(json)));
  if (!file) return file.error();
  return read(*file);
}

std::string refusal(const std::string& more) {
  const auto c = read_json(more);
  return c ? "" : c.error().message;
}

TEST(ReadDeepSeek, R1IsWhatItPublishes) {
  const auto c = read_json();
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->head_dim, 192);
  EXPECT_EQ(c->n_layers, 61);
  EXPECT_EQ(c->n_mtp_layers, 1);
  EXPECT_EQ(c->rope.dim, 64);
  EXPECT_EQ(c->rope.layout, RopeLayout::kAdjacent);
  EXPECT_NEAR(c->rope.attention_factor, 1, 1e-12);
  const double m = yarn_scale(c->rope.factor, c->rope.mscale_all_dim);
  EXPECT_NEAR(m, 1.3688879, 1e-7);
  EXPECT_NEAR(m * m / std::sqrt(192.0), 0.1352338, 1e-7);
  EXPECT_EQ(c->moe.n_expert_groups, 8);
  EXPECT_EQ(c->moe.n_limited_groups, 4);
  EXPECT_EQ(c->moe.score, GateScore::kSigmoid);
  EXPECT_EQ(c->moe.group_score, GroupScore::kTopTwo);
  EXPECT_TRUE(c->moe.gate_bias && c->moe.norm_topk_prob);
  EXPECT_EQ(c->moe.route_scale, 2.5);
  EXPECT_FALSE(c->moe.is_moe(2));
  EXPECT_TRUE(c->moe.is_moe(3));
}

TEST(ReadDeepSeek, GreedyDoesNotLookAtGroups) {
  const auto c = read_json(R"("topk_method": "greedy", "scoring_func": "softmax")");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(c->moe.n_expert_groups, 1);
  EXPECT_FALSE(c->moe.gate_bias);
}

TEST(ReadDeepSeek, RefusesByNameWhatItDoesNotKnow) {
  EXPECT_EQ(refusal(R"("scoring_func": "relu")"),
            "scoring_func = relu: not known; softmax and sigmoid are");
  EXPECT_EQ(refusal(R"("topk_method": "random")"),
            "topk_method = random: not known; greedy, group_limited_greedy and noaux_tc are");
  EXPECT_EQ(refusal(R"("attention_bias": true)"), "attention_bias = true: only false is known");
  EXPECT_EQ(refusal(R"("n_group": 7)"), "256 experts in 7 groups: not equal ones");
  EXPECT_EQ(refusal(R"("topk_group": 9)"), "experts of 9 groups out of 8");
  EXPECT_EQ(refusal(R"("num_experts_per_tok": 129)"),
            "129 experts for a token: it must be in [1, 128]");
  EXPECT_EQ(refusal(R"("n_routed_experts": 100000)"),
            "100000 routed experts: it must be in [1, 1024]");
  EXPECT_EQ(refusal(R"("moe_layer_freq": 0)"), "moe_layer_freq 0: it must be at least 1");
  EXPECT_EQ(refusal(R"("kv_lora_rank": -1)"), "kv_lora_rank -1: it must be in [1, 1048576]");
  EXPECT_EQ(refusal(R"("num_nextn_predict_layers": 2)"),
            "2 multi-token prediction layers: 0 and 1 are known");
}

// A GGUF of the older layout and what is read of it, with `experts` and a gate, and no keys for
// groups unless `groups` > 0.
Config read_gguf(uint32_t experts, uint32_t gate, uint32_t groups = 0) {
  std::vector<std::pair<std::string, uint32_t>> keys = {{"embedding_length", 32},
                                                        {"feed_forward_length", 32},
                                                        {"block_count", 2},
                                                        {"context_length", 64},
                                                        {"attention.head_count", 2},
                                                        {"attention.head_count_kv", 2},
                                                        {"attention.kv_lora_rank", 32},
                                                        {"attention.key_length", 24},
                                                        {"attention.value_length", 12},
                                                        {"rope.dimension_count", 8},
                                                        {"expert_count", experts},
                                                        {"expert_used_count", 2},
                                                        {"expert_feed_forward_length", 32}};
  if (gate > 0) keys.emplace_back("expert_gating_func", gate);
  if (groups > 0) keys.emplace_back("expert_group_count", groups);
  Bytes b;
  b.gguf(1, keys.size() + 2).key("general.architecture", 8).string("deepseek2");
  for (const auto& [key, value] : keys) b.key("deepseek2." + key, 4).put(value);
  b.key("deepseek2.attention.layer_norm_rms_epsilon", 6).put(1e-6f);
  b.tensor("token_embd.weight", {32, 4}, 0, 0).pad(32).zeros(32 * 4 * 4);
  const auto file = WeightFile::from_memory("old.gguf", b.span());
  EXPECT_TRUE(file) << file.error().message;
  const auto c = read(*file);
  EXPECT_TRUE(c) << c.error().message;
  return c ? *c : Config();
}

TEST(ReadDeepSeek, FilesFromBeforeGroupKeysAreKnownByTheirGate) {
  const Config r1 = read_gguf(256, 2), v2 = read_gguf(160, 0), lite = read_gguf(64, 0);
  EXPECT_EQ(r1.moe.n_expert_groups, 8);
  EXPECT_EQ(r1.moe.n_limited_groups, 4);
  EXPECT_EQ(v2.moe.n_expert_groups, 8);
  EXPECT_EQ(v2.moe.n_limited_groups, 3);
  EXPECT_EQ(v2.moe.score, GateScore::kSoftmax);
  EXPECT_EQ(lite.moe.n_expert_groups, 1);
  EXPECT_EQ(read_gguf(64, 2).moe.n_expert_groups, 1);
  EXPECT_EQ(read_gguf(160, 0, 16).moe.n_expert_groups, 16);
  EXPECT_EQ(r1.mla.qk_nope_head_dim, 16);
  EXPECT_EQ(r1.mla.v_head_dim, 12);
}

}  // namespace
}  // namespace r1
