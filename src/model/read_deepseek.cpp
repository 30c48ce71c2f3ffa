// Names: the published config.json of V2-Lite, V3 and R1; GGUF's "deepseek2" as llama.cpp writes
// it, in both of its layouts.
#include "model/read_deepseek.h"

#include <fmt/ranges.h>

#include "kernels/gate/gate.h"

namespace r1 {
namespace {

// A flag of the config that must be `only`.
void read_only(Reader& r, std::string_view hf_key, bool only) {
  bool value = only;
  r.read(value, "", hf_key, only);
  if (value != only) r.fail(error("{} = {}: only {} is known", hf_key, value, only));
}

// GGUF's older layout says what a head is, the newer what the cache holds, and heads under "_mla".
void read_mla(Reader& r, Config& c) {
  MlaConfig& m = c.mla;
  r.read(m.q_lora_rank, "attention.q_lora_rank", "q_lora_rank", 0);
  r.read(m.kv_lora_rank, "attention.kv_lora_rank", "kv_lora_rank");
  r.read(m.qk_rope_head_dim, "rope.dimension_count", "qk_rope_head_dim");
  r.read(m.qk_nope_head_dim, "", "qk_nope_head_dim");
  r.read(m.v_head_dim, "", "v_head_dim");
  if (r.gguf()) {
    int64_t k = 0, v = 0, kv_heads = 0;
    r.read(kv_heads, "attention.head_count_kv", "", 0);  // 1, or as many as heads: by the layout
    r.read(k, "attention.key_length", "");
    r.read(v, "attention.value_length", "");
    r.read(k, "attention.key_length_mla", "", int64_t{k});
    r.read(v, "attention.value_length_mla", "", int64_t{v});
    m.qk_nope_head_dim = k - m.qk_rope_head_dim;
    m.v_head_dim = v;
  }
  c.n_kv_heads = c.n_heads;
  c.head_dim = m.qk_nope_head_dim + m.qk_rope_head_dim;
  bool adjacent = true;  // checkpoints turn pairs (2i, 2i + 1)
  r.read(adjacent, "", "rope_interleave", true);
  c.rope.layout = adjacent ? RopeLayout::kAdjacent : RopeLayout::kHalves;
  read_rope(r, c, m.qk_rope_head_dim);
  read_only(r, "attention_bias", false);
  read_only(r, "mlp_bias", false);
}

void read_gate_gguf(Reader& r, MoeConfig& m) {
  constexpr int64_t kSoftmax = 1, kSigmoid = 2;
  int64_t func = 0;
  r.read(func, "expert_gating_func", "", kSoftmax);  // absent in files of V2
  if (func != kSoftmax && func != kSigmoid)
    r.fail(error("expert_gating_func = {}: not known; 1 (softmax) and 2 (sigmoid) are", func));
  m.score = func == kSigmoid ? GateScore::kSigmoid : GateScore::kSoftmax;
  m.group_score = func == kSigmoid ? GroupScore::kTopTwo : GroupScore::kMax;
  for (const TensorInfo& t : r.file().tensors())
    m.gate_bias = m.gate_bias || t.name.ends_with(".exp_probs_b.bias");
  // Files from before there were keys for groups: V3 and R1 alone have 256 experts and a sigmoid,
  // V2 alone 160 and a softmax.
  const bool v3 = m.score == GateScore::kSigmoid && m.n_routed_experts == 256;
  const bool v2 = m.score == GateScore::kSoftmax && m.n_routed_experts == 160;
  r.read(m.n_expert_groups, "expert_group_count", "", v3 || v2 ? 8 : 1);
  r.read(m.n_limited_groups, "expert_group_used_count", "", v3 ? 4 : v2 ? 3 : 1);
}

void read_gate_hf(Reader& r, MoeConfig& m) {
  const auto type = r.file().text("model_type");
  const bool v2 = type && *type == "deepseek_v2";
  std::string score, method;
  r.read(score, "", "scoring_func", v2 ? "softmax" : "sigmoid");
  if (score != "softmax" && score != "sigmoid")
    r.fail(error("scoring_func = {}: not known; softmax and sigmoid are", score));
  m.score = score == "sigmoid" ? GateScore::kSigmoid : GateScore::kSoftmax;
  r.read(method, "", "topk_method", v2 ? "greedy" : "noaux_tc");
  if (method != "greedy" && method != "group_limited_greedy" && method != "noaux_tc") {
    r.fail(error("topk_method = {}: not known; greedy, group_limited_greedy and noaux_tc are",
                 method));
  }
  m.gate_bias = method == "noaux_tc";
  m.group_score = method == "noaux_tc" ? GroupScore::kTopTwo : GroupScore::kMax;
  r.read(m.n_expert_groups, "", "n_group", 1);
  r.read(m.n_limited_groups, "", "topk_group", 1);
  if (method == "greedy") m.n_expert_groups = m.n_limited_groups = 1;  // it does not look at groups
}

void check_gate(Reader& r, const MoeConfig& m) {
  if (m.n_routed_experts < 1 || m.n_routed_experts > kMostExperts)
    return r.fail(
        error("{} routed experts: it must be in [1, {}]", m.n_routed_experts, kMostExperts));
  if (m.n_expert_groups < 1 || m.n_routed_experts % m.n_expert_groups != 0)
    return r.fail(
        error("{} experts in {} groups: not equal ones", m.n_routed_experts, m.n_expert_groups));
  if (m.n_limited_groups < 1 || m.n_limited_groups > m.n_expert_groups)
    return r.fail(error("experts of {} groups out of {}", m.n_limited_groups, m.n_expert_groups));
  const int64_t eligible = m.n_routed_experts / m.n_expert_groups * m.n_limited_groups;
  if (m.n_activated_experts < 1 || m.n_activated_experts > eligible)
    return r.fail(
        error("{} experts for a token: it must be in [1, {}]", m.n_activated_experts, eligible));
  if (m.n_shared_experts < 0 || m.n_shared_experts > kMostExperts)
    return r.fail(
        error("{} shared experts: it must be in [0, {}]", m.n_shared_experts, kMostExperts));
  if (m.n_dense_layers < 0)
    return r.fail(error("{} dense layers before the others", m.n_dense_layers));
  if (m.layer_freq < 1)
    return r.fail(error("moe_layer_freq {}: it must be at least 1", m.layer_freq));
}

void read_moe(Reader& r, MoeConfig& m) {
  r.read(m.n_routed_experts, "expert_count", "n_routed_experts");
  r.read(m.n_activated_experts, "expert_used_count", "num_experts_per_tok");
  r.read(m.n_shared_experts, "expert_shared_count", "n_shared_experts", 0);
  r.read(m.moe_inter_dim, "expert_feed_forward_length", "moe_intermediate_size");
  r.read(m.n_dense_layers, "leading_dense_block_count", "first_k_dense_replace", 0);
  r.read(m.layer_freq, "", "moe_layer_freq", 1);
  r.read(m.norm_topk_prob, "expert_weights_norm", "norm_topk_prob", false);
  r.read(m.route_scale, "expert_weights_scale", "routed_scaling_factor", 1.0);
  if (r.gguf() && m.route_scale == 0) m.route_scale = 1;  // GGUF's word for none
  if (r.gguf()) {
    read_gate_gguf(r, m);
  } else {
    read_gate_hf(r, m);
  }
  check_gate(r, m);
}

void check_sizes(Reader& r, const Config& c) {
  constexpr int64_t kMost = 1 << 20;
  const std::pair<const char*, int64_t> sizes[] = {{"kv_lora_rank", c.mla.kv_lora_rank},
                                                   {"qk_nope_head_dim", c.mla.qk_nope_head_dim},
                                                   {"qk_rope_head_dim", c.mla.qk_rope_head_dim},
                                                   {"v_head_dim", c.mla.v_head_dim},
                                                   {"moe_intermediate_size", c.moe.moe_inter_dim}};
  for (const auto& [what, size] : sizes) {
    if (size < 1 || size > kMost) r.fail(error("{} {}: it must be in [1, {}]", what, size, kMost));
  }
  if (c.mla.q_lora_rank < 0 || c.mla.q_lora_rank > kMost)
    r.fail(error("q_lora_rank {}: it must be in [0, {}]", c.mla.q_lora_rank, kMost));
  if (c.n_mtp_layers < 0 || c.n_mtp_layers > 1)
    r.fail(error("{} multi-token prediction layers: 0 and 1 are known", c.n_mtp_layers));
}

}  // namespace

void read_deepseek(Reader& r, Config& c) {
  read_sizes(r, c);
  read_mla(r, c);
  read_moe(r, c.moe);
  r.read(c.n_mtp_layers, "nextn_predict_layers", "num_nextn_predict_layers", 0);
  if (r.gguf()) c.n_layers -= c.n_mtp_layers;  // it counts them among its blocks
  check_sizes(r, c);
}

}  // namespace r1
