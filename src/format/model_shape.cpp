#include "format/model_shape.h"

namespace r1 {
namespace {

constexpr int64_t kSoftmaxGate = 1, kSigmoidGate = 2;  // of expert_gating_func

// Appends the tensors of one model, block by block.
class Lister {
 public:
  explicit Lister(const ModelShape& shape) : s_(shape) {}

  std::vector<ShapeTensor> list() {
    add("token_embd.weight", {s_.vocab_size, s_.dim});
    if (s_.llama3_rope) add("rope_freqs.weight", {s_.head_dim / 2});
    const int64_t mtp_layers = s_.deepseek ? s_.deepseek->n_mtp_layers : 0;
    for (int64_t i = 0; i < s_.n_layers + mtp_layers; ++i) {
      block_ = fmt::format("blk.{}.", i);
      add_block(i);
      if (i >= s_.n_layers) add_prediction();
    }
    block_.clear();
    add("output_norm.weight", {s_.dim});
    if (!s_.tied) add("output.weight", {s_.vocab_size, s_.dim});
    return std::move(tensors_);
  }

 private:
  void add(std::string_view name, std::vector<int64_t> shape) {
    tensors_.push_back({block_ + std::string(name), std::move(shape)});
  }

  void add_block(int64_t layer) {
    add("attn_norm.weight", {s_.dim});
    if (s_.deepseek)
      add_latent_attention(*s_.deepseek);
    else
      add_grouped_attention();
    add("ffn_norm.weight", {s_.dim});
    if (s_.deepseek && layer >= s_.deepseek->n_dense_layers)
      add_experts(*s_.deepseek);
    else
      add_mlp("", s_.inter_dim);
  }

  void add_grouped_attention() {
    const int64_t q = s_.n_heads * s_.head_dim, kv = s_.n_kv_heads * s_.head_dim;
    add("attn_q.weight", {q, s_.dim});
    add("attn_k.weight", {kv, s_.dim});
    add("attn_v.weight", {kv, s_.dim});
    add("attn_output.weight", {s_.dim, q});
    if (s_.qkv_bias) {
      add("attn_q.bias", {q});
      add("attn_k.bias", {kv});
      add("attn_v.bias", {kv});
    }
    if (s_.o_bias) add("attn_output.bias", {s_.dim});
    if (s_.qk_norm) {
      add("attn_q_norm.weight", {s_.head_dim});
      add("attn_k_norm.weight", {s_.head_dim});
    }
  }

  void add_latent_attention(const DeepSeekShape& d) {
    const int64_t q = s_.n_heads * (d.qk_nope_head_dim + d.qk_rope_head_dim);
    if (d.q_lora_rank > 0) {
      add("attn_q_a.weight", {d.q_lora_rank, s_.dim});
      add("attn_q_a_norm.weight", {d.q_lora_rank});
      add("attn_q_b.weight", {q, d.q_lora_rank});
    } else {
      add("attn_q.weight", {q, s_.dim});
    }
    add("attn_kv_a_mqa.weight", {d.kv_lora_rank + d.qk_rope_head_dim, s_.dim});
    add("attn_kv_a_norm.weight", {d.kv_lora_rank});
    add("attn_k_b.weight", {s_.n_heads, d.kv_lora_rank, d.qk_nope_head_dim});
    add("attn_v_b.weight", {s_.n_heads, d.v_head_dim, d.kv_lora_rank});
    add("attn_output.weight", {s_.dim, s_.n_heads * d.v_head_dim});
  }

  void add_mlp(const char* kind, int64_t inter_dim) {
    add(fmt::format("ffn_gate{}.weight", kind), {inter_dim, s_.dim});
    add(fmt::format("ffn_up{}.weight", kind), {inter_dim, s_.dim});
    add(fmt::format("ffn_down{}.weight", kind), {s_.dim, inter_dim});
    if (!s_.mlp_bias) return;
    add("ffn_gate.bias", {inter_dim});
    add("ffn_up.bias", {inter_dim});
    add("ffn_down.bias", {s_.dim});
  }

  void add_experts(const DeepSeekShape& d) {
    add("ffn_gate_inp.weight", {d.n_routed_experts, s_.dim});
    if (d.score_bias) add("exp_probs_b.bias", {d.n_routed_experts});
    add("ffn_gate_exps.weight", {d.n_routed_experts, d.moe_inter_dim, s_.dim});
    add("ffn_up_exps.weight", {d.n_routed_experts, d.moe_inter_dim, s_.dim});
    add("ffn_down_exps.weight", {d.n_routed_experts, s_.dim, d.moe_inter_dim});
    if (d.n_shared_experts > 0) add_mlp("_shexp", d.n_shared_experts * d.moe_inter_dim);
  }

  // The head and the embedding of the prediction are the model's own.
  void add_prediction() {
    add("nextn.eh_proj.weight", {s_.dim, 2 * s_.dim});
    for (const char* norm : {"enorm", "hnorm", "shared_head_norm"})
      add(fmt::format("nextn.{}.weight", norm), {s_.dim});
  }

  const ModelShape& s_;
  std::string block_;
  std::vector<ShapeTensor> tensors_;
};

}  // namespace

uint64_t ShapeTensor::elements() const {
  uint64_t n = 1;
  for (const int64_t size : shape) n *= static_cast<uint64_t>(size);
  return n;
}

std::vector<ShapeTensor> shape_tensors(const ModelShape& shape) { return Lister(shape).list(); }

GgufMetadata shape_metadata(const ModelShape& s) {
  GgufMetadata metadata;
  const auto whole = [&](const char* key, int64_t n) {
    metadata.emplace_back(s.architecture + key, static_cast<uint32_t>(n));
  };
  const auto number = [&](const char* key, double x) {
    metadata.emplace_back(s.architecture + key, static_cast<float>(x));
  };
  whole(".block_count", s.n_layers + (s.deepseek ? s.deepseek->n_mtp_layers : 0));
  whole(".context_length", s.context_length);
  whole(".embedding_length", s.dim);
  whole(".feed_forward_length", s.inter_dim);
  whole(".attention.head_count", s.n_heads);
  number(".attention.layer_norm_rms_epsilon", s.norm_eps);
  whole(".vocab_size", s.vocab_size);
  number(".rope.freq_base", s.rope_theta);
  if (!s.deepseek) {
    whole(".attention.head_count_kv", s.n_kv_heads);
    whole(".attention.key_length", s.head_dim);
    whole(".attention.value_length", s.head_dim);
    whole(".rope.dimension_count", s.head_dim);
    return metadata;
  }
  // Latent attention is said as attention of one key head, which the cache holds, and `_mla` widths
  // of the heads it stands for.
  const DeepSeekShape& d = *s.deepseek;
  whole(".attention.head_count_kv", 1);
  if (d.q_lora_rank > 0) whole(".attention.q_lora_rank", d.q_lora_rank);
  whole(".attention.kv_lora_rank", d.kv_lora_rank);
  whole(".attention.key_length", d.kv_lora_rank + d.qk_rope_head_dim);
  whole(".attention.value_length", d.kv_lora_rank);
  whole(".attention.key_length_mla", d.qk_nope_head_dim + d.qk_rope_head_dim);
  whole(".attention.value_length_mla", d.v_head_dim);
  whole(".rope.dimension_count", d.qk_rope_head_dim);
  whole(".leading_dense_block_count", d.n_dense_layers);
  whole(".expert_count", d.n_routed_experts);
  whole(".expert_used_count", d.n_activated_experts);
  whole(".expert_shared_count", d.n_shared_experts);
  whole(".expert_feed_forward_length", d.moe_inter_dim);
  whole(".expert_group_count", d.n_expert_groups);
  whole(".expert_group_used_count", d.n_limited_groups);
  number(".expert_weights_scale", d.route_scale);
  metadata.emplace_back(s.architecture + ".expert_weights_norm", d.norm_weights);
  whole(".expert_gating_func", d.sigmoid ? kSigmoidGate : kSoftmaxGate);
  if (d.n_mtp_layers > 0) whole(".nextn_predict_layers", d.n_mtp_layers);
  return metadata;
}

}  // namespace r1
