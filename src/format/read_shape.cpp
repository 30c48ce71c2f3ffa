// read_shape(): a checkpoint's sizes under the spellings of both containers.
#include "format/model_shape.h"
#include "format/names.h"

namespace r1 {
namespace {

// Their products stay below 2^63 bytes.
constexpr int64_t kMostLayers = 1 << 10, kMostWidth = 1 << 20, kMostHeads = 1 << 12,
                  kMostExperts = 1 << 11, kMostShared = 64, kMostPredicted = 16,
                  kMostExpertWidth = 1 << 18, kMostVocab = 1 << 24, kMostContext = INT32_MAX;

// Reads settings by GGUF key (without "arch.") and Hugging Face key and keeps the first error, so
// that a shape is a plain list.
class ShapeReader {
 public:
  ShapeReader(const WeightFile& file, std::string architecture)
      : file_(file), prefix_(std::move(architecture) + ".") {}

  bool gguf() const { return file_.container() == Container::kGguf; }

  std::string key(std::string_view gguf_key, std::string_view hf_key) const {
    return gguf() ? prefix_ + std::string(gguf_key) : std::string(hf_key);
  }

  // From `least` to `most`; absent: `otherwise`, or an error.
  int64_t size(std::string_view gguf_key, std::string_view hf_key, int64_t most,
               std::optional<int64_t> otherwise = std::nullopt, int64_t least = 1) {
    const std::string k = key(gguf_key, hf_key);
    const auto value = file_.integer(k);
    if (!value) return fail(value.error()), least;
    if (!*value && otherwise) return *otherwise;
    if (!*value) return fail(error("{}: missing, and the model's size depends on it", k)), least;
    if (**value < least || **value > most)
      return fail(error("{}: {}, allowed are {} to {}", k, **value, least, most)), least;
    return **value;
  }

  double number(std::string_view gguf_key, std::string_view hf_key, double otherwise) {
    return get(file_.number(key(gguf_key, hf_key)), otherwise);
  }
  bool flag(std::string_view gguf_key, std::string_view hf_key, bool otherwise) {
    return get(file_.boolean(key(gguf_key, hf_key)), otherwise);
  }
  std::string text(std::string_view hf_key, std::string otherwise) {
    return get(file_.text(hf_key), std::move(otherwise));
  }

  const WeightFile& file() const { return file_; }
  void fail(Error e) {
    if (!error_) error_ = std::move(e);
  }
  Result<void> finish() const {
    if (error_) return *error_;
    return {};
  }

 private:
  template <class T>
  T get(const Result<std::optional<T>>& value, T otherwise) {
    if (!value) return fail(value.error()), otherwise;
    return value->value_or(otherwise);
  }

  const WeightFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

// How the experts are chosen: three methods are known, one of which GGUF and we say without groups.
void read_gate(ShapeReader& r, DeepSeekShape& d) {
  if (r.gguf()) {
    constexpr int64_t kSoftmaxGate = 1, kSigmoidGate = 2;
    const int64_t gate =
        r.size("expert_gating_func", "", kSigmoidGate, kSoftmaxGate);  // absent in V2's files
    d.sigmoid = gate == kSigmoidGate;
    d.score_bias =
        r.file().find(fmt::format("blk.{}.exp_probs_b.bias", d.n_dense_layers)) != nullptr;
    return;
  }
  const bool v3 = r.text("model_type", "") == "deepseek_v3";  // whose newer configs leave it unsaid
  const std::string scores = r.text("scoring_func", v3 ? "sigmoid" : "softmax");
  if (scores != "sigmoid" && scores != "softmax")
    r.fail(error("scoring_func: '{}', known are sigmoid and softmax", visible(scores)));
  d.sigmoid = scores == "sigmoid";
  const std::string method = r.text("topk_method", d.sigmoid ? "noaux_tc" : "greedy");
  d.score_bias = method == "noaux_tc";
  const bool groups = d.n_expert_groups > 1;
  if (method == "greedy" && !groups) return;
  if (method != "noaux_tc")
    r.fail(error("topk_method: '{}' with n_group {}, known are noaux_tc, and greedy without groups",
                 visible(method), d.n_expert_groups));
}

DeepSeekShape read_deepseek(ShapeReader& r) {
  DeepSeekShape d{};
  d.q_lora_rank = r.size("attention.q_lora_rank", "q_lora_rank", kMostWidth, 0, 0);
  d.kv_lora_rank = r.size("attention.kv_lora_rank", "kv_lora_rank", kMostWidth);
  d.qk_rope_head_dim = r.size("rope.dimension_count", "qk_rope_head_dim", kMostHeads);
  if (r.gguf()) {
    // Today's files say the cache's head in key_length and the model's in key_length_mla.
    const bool split = r.file().meta(r.key("attention.key_length_mla", "")) != nullptr;
    d.v_head_dim =
        r.size(split ? "attention.value_length_mla" : "attention.value_length", "", kMostHeads);
    d.qk_nope_head_dim = r.size(split ? "attention.key_length_mla" : "attention.key_length", "",
                                2 * kMostHeads, std::nullopt, d.qk_rope_head_dim + 1) -
                         d.qk_rope_head_dim;
  } else {
    d.v_head_dim = r.size("", "v_head_dim", kMostHeads);
    d.qk_nope_head_dim = r.size("", "qk_nope_head_dim", kMostHeads);
  }
  d.n_dense_layers =
      r.size("leading_dense_block_count", "first_k_dense_replace", kMostLayers, 0, 0);
  d.n_routed_experts = r.size("expert_count", "n_routed_experts", kMostExperts);
  d.n_activated_experts = r.size("expert_used_count", "num_experts_per_tok", d.n_routed_experts);
  d.n_shared_experts = r.size("expert_shared_count", "n_shared_experts", kMostShared, 0, 0);
  d.moe_inter_dim = r.size("expert_feed_forward_length", "moe_intermediate_size", kMostExpertWidth);
  // R1's first files have no group keys; R1 has 8 groups of which 4 are taken.
  const bool r1 = r.gguf() && d.n_routed_experts == 256;
  d.n_expert_groups = r.size("expert_group_count", "n_group", kMostExperts, r1 ? 8 : 1);
  d.n_limited_groups =
      r.size("expert_group_used_count", "topk_group", d.n_expert_groups, r1 ? 4 : 1);
  d.norm_weights = r.flag("expert_weights_norm", "norm_topk_prob", false);
  d.route_scale = r.number("expert_weights_scale", "routed_scaling_factor", 1);
  d.n_mtp_layers = r.size("nextn_predict_layers", "num_nextn_predict_layers", kMostPredicted, 0, 0);
  read_gate(r, d);
  if (!r.gguf()) r.size("", "moe_layer_freq", 1, 1);  // experts in every layer, or not known here
  return d;
}

Result<std::string> read_architecture(const WeightFile& file) {
  const bool gguf = file.container() == Container::kGguf;
  const std::string key = gguf ? "general.architecture" : "model_type";
  R1_TRY(const auto value, file.text(key));
  if (!value) return error("{}: missing: nothing says what model this is", key);
  const bool deepseek =
      gguf ? *value == "deepseek2" : *value == "deepseek_v3" || *value == "deepseek_v2";
  if (deepseek) return std::string("deepseek2");
  if (*value == "llama" || *value == "qwen2" || *value == "qwen3") return *value;
  return error("{} '{}' is not known here: llama, qwen2, qwen3, {} are", key, visible(*value),
               gguf ? "deepseek2" : "deepseek_v2 and deepseek_v3");
}

}  // namespace

Result<ModelShape> read_shape(const WeightFile& file) {
  R1_TRY(const std::string architecture, read_architecture(file));
  ShapeReader r(file, architecture);
  ModelShape s{};
  s.architecture = architecture;
  s.dim = r.size("embedding_length", "hidden_size", kMostWidth);
  s.n_layers = r.size("block_count", "num_hidden_layers", kMostLayers);
  s.inter_dim = r.size("feed_forward_length", "intermediate_size", kMostWidth);
  s.n_heads = r.size("attention.head_count", "num_attention_heads", kMostHeads);
  s.rope_theta = r.number("rope.freq_base", "rope_theta", 0);
  s.norm_eps = r.number("attention.layer_norm_rms_epsilon", "rms_norm_eps", 0);
  s.context_length = r.size("context_length", "max_position_embeddings", kMostContext, 0);
  const TensorInfo* embedding = file.find("token_embd.weight");
  std::optional<int64_t> rows;
  if (r.gguf() && embedding && embedding->shape.size() == 2) rows = embedding->shape[0];
  s.vocab_size = r.size("vocab_size", "vocab_size", kMostVocab, rows);
  if (architecture == "deepseek2") {
    s.deepseek = read_deepseek(r);
    s.n_kv_heads = s.n_heads;
    s.head_dim = s.deepseek->qk_nope_head_dim + s.deepseek->qk_rope_head_dim;
    if (r.gguf()) s.n_layers -= std::min(s.deepseek->n_mtp_layers, s.n_layers - 1);
    if (s.deepseek->n_dense_layers > s.n_layers)
      r.fail(error("{}: {}, the model has {} layers",
                   r.key("leading_dense_block_count", "first_k_dense_replace"),
                   s.deepseek->n_dense_layers, s.n_layers));
  } else {
    s.n_kv_heads = r.size("attention.head_count_kv", "num_key_value_heads", kMostHeads, s.n_heads);
    s.head_dim = r.size("attention.key_length", "head_dim", kMostHeads,
                        std::max<int64_t>(s.dim / s.n_heads, 1));
    s.qk_norm = architecture == "qwen3";
  }
  if (r.gguf()) {
    s.tied = !file.tensors().empty() && !file.find("output.weight");
    s.llama3_rope = file.find("rope_freqs.weight") != nullptr;
    s.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
    s.o_bias = file.find("blk.0.attn_output.bias") != nullptr;
    s.mlp_bias = file.find("blk.0.ffn_down.bias") != nullptr;
  } else {
    s.tied =
        r.flag("", "tie_word_embeddings", !file.tensors().empty() && !file.find("lm_head.weight"));
    s.llama3_rope = r.text("rope_scaling.rope_type", "default") == "llama3";
    s.qkv_bias = r.flag("", "attention_bias", architecture == "qwen2");
    s.o_bias = s.qkv_bias && architecture != "qwen2";
    s.mlp_bias = r.flag("", "mlp_bias", false);
  }
  R1_DO(r.finish());
  return s;
}

}  // namespace r1
