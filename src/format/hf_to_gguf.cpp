#include "format/hf_to_gguf.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <set>

#include "format/gguf_tokenizer.h"
#include "format/model_shape.h"
#include "quant/fp8.h"

namespace r1 {
namespace {

struct NamePair {
  std::string_view gguf, hf;
};

constexpr NamePair kEnds[] = {{"token_embd.weight", "model.embed_tokens.weight"},
                              {"output_norm.weight", "model.norm.weight"},
                              {"output.weight", "lm_head.weight"}};

// Of "blk.N." and "model.layers.N."; '*' stands for each expert.
constexpr NamePair kLayerNames[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_output.bias", "self_attn.o_proj.bias"},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_k_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_v_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_gate.bias", "mlp.gate_proj.bias"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_up.bias", "mlp.up_proj.bias"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_down.bias", "mlp.down_proj.bias"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_exps.weight", "mlp.experts.*.gate_proj.weight"},
    {"ffn_up_exps.weight", "mlp.experts.*.up_proj.weight"},
    {"ffn_down_exps.weight", "mlp.experts.*.down_proj.weight"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
    {"nextn.eh_proj.weight", "eh_proj.weight"},
    {"nextn.enorm.weight", "enorm.weight"},
    {"nextn.hnorm.weight", "hnorm.weight"},
    {"nextn.shared_head_norm.weight", "shared_head.norm.weight"},
};

// Hugging Face's name of a tensor of shape_tensors().
std::string hf_name(std::string_view gguf) {
  auto name = hf_tensor_name(gguf);
  R1_CHECK(name);
  return *std::move(name);
}

// What GGUF takes for granted.
Result<void> check_sayable(const WeightFile& file, const ModelShape& s) {
  R1_TRY(const auto activation, file.text("hidden_act"));
  if (activation.value_or("silu") != "silu")
    return error("config.json: hidden_act '{}', GGUF means silu", *activation);
  R1_TRY(const auto sliding, file.boolean("use_sliding_window"));
  if (sliding.value_or(false))
    return error("config.json: use_sliding_window true cannot be said in GGUF");
  R1_TRY(const auto pairs, file.boolean("rope_interleave"));
  if (s.deepseek && !pairs.value_or(true))
    return error("config.json: rope_interleave false, GGUF means neighbours are rotated");
  if (s.context_length == 0) return error("config.json: no max_position_embeddings");
  if (s.norm_eps == 0) return error("config.json: no rms_norm_eps");
  return {};
}

Result<double> number(const WeightFile& file, const std::string& key) {
  R1_TRY(const auto value, file.number(key));
  if (!value) return error("config.json: no {}", key);
  return *value;
}

// llama3's divisors of the rope's frequencies, one per pair: 1 for short wavelengths, `factor` for
// long ones, a ramp between. Source: Llama 3.1's reference code (apply_scaling), as in
// transformers' rope utilities.
Result<std::vector<float>> rope_divisors(const WeightFile& file, const ModelShape& s) {
  const auto need = [&](const std::string& key) { return number(file, "rope_scaling." + key); };
  R1_TRY(const double factor, need("factor"));
  R1_TRY(const double low, need("low_freq_factor"));
  R1_TRY(const double high, need("high_freq_factor"));
  R1_TRY(const double context, need("original_max_position_embeddings"));
  std::vector<float> divisors;
  for (int64_t i = 0; i < s.head_dim; i += 2) {
    const double wavelength =
        2 * std::numbers::pi *
        std::pow(s.rope_theta, static_cast<double>(i) / static_cast<double>(s.head_dim));
    const double ramp = std::clamp((context / wavelength - low) / (high - low), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - ramp) / factor + ramp)));
  }
  return divisors;
}

// DeepSeek's YaRN also scales the attention's logits, by (1 + 0.1 mscale_all_dim ln factor)^2.
Result<void> add_yarn(const WeightFile& file, const std::string& prefix, GgufMetadata& out) {
  R1_TRY(const auto all, file.number("rope_scaling.mscale_all_dim"));
  R1_TRY(const auto mscale, file.number("rope_scaling.mscale"));
  if (mscale && all && *mscale != *all)
    return error("config.json: rope_scaling.mscale {} and mscale_all_dim {}: GGUF has one number",
                 *mscale, *all);
  if (all) out.emplace_back(prefix + "yarn_log_multiplier", static_cast<float>(0.1 * *all));
  constexpr struct {
    const char *hf, *gguf;
    double usual;
  } kTurns[] = {{"beta_fast", "yarn_beta_fast", 32}, {"beta_slow", "yarn_beta_slow", 1}};
  for (const auto& turns : kTurns) {
    R1_TRY(const auto value, file.number(std::string("rope_scaling.") + turns.hf));
    if (value.value_or(turns.usual) != turns.usual)
      out.emplace_back(prefix + turns.gguf, static_cast<float>(*value));
  }
  return {};
}

Result<void> add_rope_scaling(const WeightFile& file, const ModelShape& s, Checkpoint& out) {
  R1_TRY(const auto scaling, file.text("rope_scaling.rope_type"));
  const std::string type = scaling.value_or("default");
  if (type == "default") return {};
  if (type == "llama3") {
    SourceTensor t{.name = "rope_freqs.weight", .shape = {s.head_dim / 2}};
    R1_TRY(t.computed, rope_divisors(file, s));
    out.tensors.push_back(std::move(t));
    return {};
  }
  if (type != "linear" && type != "yarn") {
    return error(
        "config.json: rope scaling of type '{}' cannot be converted: linear, yarn and llama3 can",
        type);
  }
  const std::string prefix = s.architecture + ".rope.scaling.";
  R1_TRY(const double factor, number(file, "rope_scaling.factor"));
  out.metadata.emplace_back(prefix + "type", type);
  out.metadata.emplace_back(prefix + "factor", static_cast<float>(factor));
  R1_TRY(const auto context, file.integer("rope_scaling.original_max_position_embeddings"));
  if (context)
    out.metadata.emplace_back(prefix + "original_context_length", static_cast<uint32_t>(*context));
  return type == "yarn" ? add_yarn(file, prefix, out.metadata) : Result<void>();
}

void add_metadata(const WeightFile& file, const ModelShape& s, Checkpoint& out) {
  const auto name = std::filesystem::path(file.path()).lexically_normal();
  out.metadata.emplace_back("general.architecture", s.architecture);
  out.metadata.emplace_back("general.type", "model");
  out.metadata.emplace_back("general.name",
                            (name.has_filename() ? name : name.parent_path()).filename().string());
  for (auto& kv : shape_metadata(s)) out.metadata.push_back(std::move(kv));
}

// Takes tensors by their Hugging Face names and remembers which.
class Tensors {
 public:
  explicit Tensors(const WeightFile& file) : file_(file) {}

  Result<StoredTensor> take(const std::string& name, const std::vector<int64_t>& shape) {
    const TensorInfo* tensor = file_.find(name);
    if (!tensor) return error("no tensor {}", name);
    taken_.insert(name);
    if (tensor->shape != shape)
      return error("{}: shape [{}] expected, the file has [{}]", name, fmt::join(shape, ", "),
                   fmt::join(tensor->shape, ", "));
    if (!info(tensor->dtype).decode)
      return error("{}: elements of type {} are no weights", name, info(tensor->dtype).name);
    StoredTensor stored{.tensor = tensor};
    if (tensor->dtype == DType::kF8E4M3) {
      const std::string scales = name + "_scale_inv";
      taken_.insert(scales);
      stored.scale_inv = file_.find(scales);
      R1_DO(check_scales(name, *tensor, stored.scale_inv));
    }
    return stored;
  }

  // A copy that some checkpoints store of what they hold already.
  Result<void> skip_copy(const std::string& copy, const std::string& original) {
    const TensorInfo *a = file_.find(copy), *b = file_.find(original);
    if (!a) return {};
    if (!b || !std::ranges::equal(a->bytes, b->bytes))
      return error("{}: not the same as {}, which GGUF keeps alone", copy, original);
    taken_.insert(copy);
    return {};
  }

  // Rotary frequencies are saved by some exporters; a tied head may be stored again.
  Result<void> none_left(bool tied) const {
    for (const TensorInfo& t : file_.tensors()) {
      if (taken_.contains(t.name) || t.name.ends_with(".rotary_emb.inv_freq")) continue;
      if (tied && t.name == "lm_head.weight") continue;
      return error("{}: no GGUF name is known for this tensor", t.name);
    }
    return {};
  }

 private:
  static Result<void> check_scales(const std::string& name, const TensorInfo& weight,
                                   const TensorInfo* scales) {
    const auto blocks = [](int64_t n) { return (n + kFp8Block - 1) / kFp8Block; };
    if (!scales) return error("{}: FP8 without {}_scale_inv", name, name);
    if (weight.shape.size() == 2 && scales->dtype == DType::kF32 &&
        scales->shape == std::vector{blocks(weight.shape[0]), blocks(weight.shape[1])}) {
      return {};
    }
    return error("{}_scale_inv: {} [{}], blocks of {} x {} of [{}] expected in F32", name,
                 info(scales->dtype).name, fmt::join(scales->shape, ", "), kFp8Block, kFp8Block,
                 fmt::join(weight.shape, ", "));
  }

  const WeightFile& file_;
  std::set<std::string, std::less<>> taken_;
};

// llama.cpp rotates llama's neighbours, the others' halves.
int64_t interleaved_heads(const ModelShape& s, std::string_view name) {
  if (s.architecture != "llama") return 0;
  if (name.ends_with(".attn_q.weight") || name.ends_with(".attn_q.bias")) return s.n_heads;
  if (name.ends_with(".attn_k.weight") || name.ends_with(".attn_k.bias")) return s.n_kv_heads;
  return 0;
}

// A bias is one column, its rows in its weight's order.
void compute_bias(SourceTensor& t) {
  const std::vector<int64_t> shape = std::exchange(t.shape, {t.shape[0], 1});
  std::vector<float> values(static_cast<size_t>(shape[0]));
  t.read_rows(0, shape[0], values.data());
  t = SourceTensor{.name = t.name, .shape = shape, .computed = std::move(values)};
}

Result<SourceTensor> source_of(const ShapeTensor& wanted, const ModelShape& s, Tensors& tensors) {
  SourceTensor t{.name = wanted.name, .shape = wanted.shape};
  const std::string hf = hf_name(wanted.name);
  if (const size_t star = hf.find('*'); star != std::string::npos) {
    const std::vector<int64_t> expert(wanted.shape.begin() + 1, wanted.shape.end());
    for (int64_t e = 0; e < wanted.shape[0]; ++e) {
      std::string name = hf;
      name.replace(star, 1, std::to_string(e));
      R1_TRY(const StoredTensor part, tensors.take(name, expert));
      t.parts.push_back(part);
    }
    return t;
  }
  std::vector<int64_t> shape = wanted.shape;
  const bool k_b = wanted.name.ends_with(".attn_k_b.weight");
  if (k_b || wanted.name.ends_with(".attn_v_b.weight")) {
    const int64_t k = s.deepseek->qk_nope_head_dim, v = s.deepseek->v_head_dim;
    shape = {s.n_heads * (k + v), s.deepseek->kv_lora_rank};
    t.head_rows =
        HeadRows{.stride = k + v, .first = k_b ? 0 : k, .count = k_b ? k : v, .transposed = k_b};
  }
  R1_TRY(const StoredTensor stored, tensors.take(hf, shape));
  t.parts = {stored};
  t.interleaved_heads = interleaved_heads(s, wanted.name);
  if (t.interleaved_heads > 0 && s.head_dim % 2 != 0)
    return error("config.json: head_dim {} does not split into pairs", s.head_dim);
  if (t.interleaved_heads > 0 && t.shape.size() == 1) compute_bias(t);
  return t;
}

Result<void> add_tensors(const WeightFile& file, const ModelShape& s, Checkpoint& out) {
  Tensors tensors(file);
  for (const ShapeTensor& wanted : shape_tensors(s)) {
    if (wanted.name == "rope_freqs.weight") continue;  // computed: add_rope_scaling
    R1_TRY(SourceTensor t, source_of(wanted, s, tensors));
    out.tensors.push_back(std::move(t));
  }
  for (int64_t i = s.n_layers; s.deepseek && i < s.n_layers + s.deepseek->n_mtp_layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    R1_DO(tensors.skip_copy(layer + "embed_tokens.weight", "model.embed_tokens.weight"));
    R1_DO(tensors.skip_copy(layer + "shared_head.head.weight", "lm_head.weight"));
  }
  return tensors.none_left(s.tied);
}

}  // namespace

std::optional<std::string> hf_tensor_name(std::string_view gguf) {
  for (const NamePair& name : kEnds)
    if (name.gguf == gguf) return std::string(name.hf);
  const size_t dot = gguf.starts_with("blk.") ? gguf.find('.', 4) : gguf.npos;
  if (dot == gguf.npos) return {};
  for (const NamePair& name : kLayerNames)
    if (name.gguf == gguf.substr(dot + 1))
      return fmt::format("model.layers.{}.{}", gguf.substr(4, dot - 4), name.hf);
  return {};
}

Result<Checkpoint> hf_to_gguf(const WeightFile& file) {
  R1_TRY(ModelShape shape, read_shape(file));
  // Exporters may drop the prediction layers that the config still counts.
  if (shape.deepseek && !file.find(fmt::format("model.layers.{}.eh_proj.weight", shape.n_layers)))
    shape.deepseek->n_mtp_layers = 0;
  R1_DO(check_sayable(file, shape));
  Checkpoint out;
  out.n_layers = shape.n_layers;
  out.gqa = gqa(shape);
  add_metadata(file, shape, out);
  R1_DO(add_rope_scaling(file, shape, out));
  R1_DO(add_tokenizer(file, shape.vocab_size, out.metadata));
  R1_DO(add_tensors(file, shape, out));
  return out;
}

}  // namespace r1
