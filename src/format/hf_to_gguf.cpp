#include "format/hf_to_gguf.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <set>

#include "format/gguf_tokenizer.h"
#include "quant/fp8.h"

namespace r1 {
namespace {

struct NamePair {
  const char* hf;
  const char* gguf;
  enum { kNeeded, kOptional } need = kNeeded;
};

// Of "model.layers.N." and "blk.N.".
constexpr NamePair kLayerNames[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias", NamePair::kOptional},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias", NamePair::kOptional},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias", NamePair::kOptional},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", NamePair::kOptional},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", NamePair::kOptional},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.o_proj.bias", "attn_output.bias", NamePair::kOptional},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.gate_proj.bias", "ffn_gate.bias", NamePair::kOptional},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.up_proj.bias", "ffn_up.bias", NamePair::kOptional},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"mlp.down_proj.bias", "ffn_down.bias", NamePair::kOptional},
};

// The config, with the error of the first key that is missing.
class Config {
 public:
  explicit Config(const WeightFile& file) : file_(file) {}

  Result<int64_t> integer(const std::string& key) const {
    R1_TRY(const auto value, file_.integer(key));
    if (!value) return error("config.json: no {}", key);
    if (*value < 1 || *value > INT32_MAX)
      return error("config.json: {} is {}, not a size", key, *value);
    return *value;
  }
  Result<int64_t> integer_or(const std::string& key, int64_t otherwise) const {
    R1_TRY(const auto value, file_.integer(key));
    return value ? integer(key) : Result<int64_t>(otherwise);
  }
  Result<double> number(const std::string& key) const {
    R1_TRY(const auto value, file_.number(key));
    if (!value) return error("config.json: no {}", key);
    return *value;
  }
  const WeightFile& file() const { return file_; }

 private:
  const WeightFile& file_;
};

struct Sizes {
  std::string architecture;
  int64_t n_layers, dim, n_heads, n_kv_heads, head_dim, vocab_size;
};

Result<Sizes> read_sizes(const Config& config) {
  Sizes s;
  R1_TRY(const auto type, config.file().text("model_type"));
  s.architecture = type.value_or("");
  if (s.architecture != "llama" && s.architecture != "qwen2" && s.architecture != "qwen3") {
    return error("config.json: model_type '{}' cannot be converted: llama, qwen2 and qwen3 can",
                 s.architecture);
  }
  R1_TRY(const auto activation, config.file().text("hidden_act"));
  if (activation.value_or("silu") != "silu")
    return error("config.json: hidden_act '{}', GGUF means silu", *activation);
  R1_TRY(const auto sliding, config.file().boolean("use_sliding_window"));
  if (sliding.value_or(false))
    return error("config.json: use_sliding_window true cannot be said in GGUF");
  R1_TRY(s.n_layers, config.integer("num_hidden_layers"));
  R1_TRY(s.dim, config.integer("hidden_size"));
  R1_TRY(s.n_heads, config.integer("num_attention_heads"));
  R1_TRY(s.n_kv_heads, config.integer_or("num_key_value_heads", s.n_heads));
  R1_TRY(s.head_dim, config.integer_or("head_dim", s.dim / s.n_heads));
  R1_TRY(s.vocab_size, config.integer("vocab_size"));
  return s;
}

// llama3's divisors of the rope's frequencies, one per pair: 1 for short wavelengths, `factor` for
// long ones, a ramp between. Source: Llama 3.1's reference code (apply_scaling), as in
// transformers' rope utilities.
Result<std::vector<float>> rope_divisors(const Config& config, const Sizes& s, double theta) {
  const auto need = [&](const std::string& key) -> Result<double> {
    return config.number("rope_scaling." + key);
  };
  R1_TRY(const double factor, need("factor"));
  R1_TRY(const double low, need("low_freq_factor"));
  R1_TRY(const double high, need("high_freq_factor"));
  R1_TRY(const double context, need("original_max_position_embeddings"));
  std::vector<float> divisors;
  for (int64_t i = 0; i < s.head_dim; i += 2) {
    const double wavelength =
        2 * std::numbers::pi *
        std::pow(theta, static_cast<double>(i) / static_cast<double>(s.head_dim));
    const double ramp = std::clamp((context / wavelength - low) / (high - low), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1 / ((1 - ramp) / factor + ramp)));
  }
  return divisors;
}

Result<void> add_rope(const Config& config, const Sizes& s, Checkpoint& out) {
  const std::string prefix = s.architecture + ".rope.";
  R1_TRY(const auto theta, config.file().number("rope_theta"));
  const double base = theta.value_or(10000);  // the default of these architectures' configs
  out.metadata.emplace_back(prefix + "freq_base", static_cast<float>(base));
  out.metadata.emplace_back(prefix + "dimension_count", static_cast<uint32_t>(s.head_dim));
  R1_TRY(const auto scaling, config.file().text("rope_scaling.rope_type"));
  const std::string type = scaling.value_or("default");
  if (type == "default") return {};
  if (type == "llama3") {
    SourceTensor t{.name = "rope_freqs.weight", .shape = {s.head_dim / 2}};
    R1_TRY(t.computed, rope_divisors(config, s, base));
    out.tensors.push_back(std::move(t));
    return {};
  }
  if (type != "linear" && type != "yarn") {
    return error(
        "config.json: rope scaling of type '{}' cannot be converted: linear, yarn and llama3 can",
        type);
  }
  R1_TRY(const double factor, config.number("rope_scaling.factor"));
  out.metadata.emplace_back(prefix + "scaling.type", type);
  out.metadata.emplace_back(prefix + "scaling.factor", static_cast<float>(factor));
  R1_TRY(const auto context,
         config.file().integer("rope_scaling.original_max_position_embeddings"));
  if (context)
    out.metadata.emplace_back(prefix + "scaling.original_context_length",
                              static_cast<uint32_t>(*context));
  return {};
}

Result<void> add_metadata(const Config& config, const Sizes& s, Checkpoint& out) {
  const auto add = [&](const char* key, auto value) {
    out.metadata.emplace_back(s.architecture + key, value);
  };
  R1_TRY(const int64_t inter_dim, config.integer("intermediate_size"));
  R1_TRY(const int64_t context, config.integer("max_position_embeddings"));
  R1_TRY(const double norm_eps, config.number("rms_norm_eps"));
  const auto name = std::filesystem::path(config.file().path()).lexically_normal();
  out.metadata.emplace_back("general.architecture", s.architecture);
  out.metadata.emplace_back("general.type", "model");
  out.metadata.emplace_back("general.name",
                            (name.has_filename() ? name : name.parent_path()).filename().string());
  add(".block_count", static_cast<uint32_t>(s.n_layers));
  add(".context_length", static_cast<uint32_t>(context));
  add(".embedding_length", static_cast<uint32_t>(s.dim));
  add(".feed_forward_length", static_cast<uint32_t>(inter_dim));
  add(".attention.head_count", static_cast<uint32_t>(s.n_heads));
  add(".attention.head_count_kv", static_cast<uint32_t>(s.n_kv_heads));
  add(".attention.key_length", static_cast<uint32_t>(s.head_dim));
  add(".attention.value_length", static_cast<uint32_t>(s.head_dim));
  add(".attention.layer_norm_rms_epsilon", static_cast<float>(norm_eps));
  add(".vocab_size", static_cast<uint32_t>(s.vocab_size));
  return {};
}

// Finds tensors by their Hugging Face names and remembers which were asked for.
class Tensors {
 public:
  Tensors(const WeightFile& file, Checkpoint& out) : file_(file), out_(out) {}

  Result<void> add(const std::string& hf, const std::string& gguf, bool needed,
                   int64_t interleaved_heads = 0) {
    const TensorInfo* stored = take(hf);
    if (!stored) return needed ? Result<void>(error("no tensor {}", hf)) : Result<void>();
    SourceTensor t{.name = gguf,
                   .shape = stored->shape,
                   .stored = stored,
                   .interleaved_heads = interleaved_heads};
    if (interleaved_heads > 0 && (t.shape.empty() || t.shape[0] % (2 * interleaved_heads) != 0)) {
      return error("{}: shape [{}] does not split into {} heads of pairs", hf,
                   fmt::join(t.shape, ", "), interleaved_heads);
    }
    if (!info(stored->dtype).decode)
      return error("{}: elements of type {} are no weights", hf, info(stored->dtype).name);
    if (interleaved_heads > 0 &&
        t.shape.size() == 1) {  // a bias: one column, its rows in its weight's order
      const int64_t n = t.shape[0];
      t.shape = {n, 1};
      t.computed.resize(static_cast<size_t>(n));
      t.read_rows(0, n, t.computed.data());
      t.shape = {n};
      t.stored = nullptr;
      t.interleaved_heads = 0;
    }
    if (stored->dtype == DType::kF8E4M3) {
      t.scale_inv = take(hf + "_scale_inv");
      R1_DO(check_scales(hf, *stored, t.scale_inv));
    }
    out_.tensors.push_back(std::move(t));
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
  const TensorInfo* take(const std::string& name) {
    taken_.insert(name);
    return file_.find(name);
  }

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
  Checkpoint& out_;
  std::set<std::string, std::less<>> taken_;
};

Result<void> add_tensors(const Config& config, const Sizes& s, Checkpoint& out) {
  const WeightFile& file = config.file();
  Tensors tensors(file, out);
  R1_TRY(const auto tie, file.boolean("tie_word_embeddings"));
  const bool tied = tie.value_or(file.find("lm_head.weight") == nullptr);
  R1_DO(tensors.add("model.embed_tokens.weight", "token_embd.weight", true));
  R1_DO(tensors.add("model.norm.weight", "output_norm.weight", true));
  if (!tied) R1_DO(tensors.add("lm_head.weight", "output.weight", true));
  for (int64_t layer = 0; layer < s.n_layers; ++layer) {
    for (const NamePair& name : kLayerNames) {
      const std::string gguf = name.gguf;
      int64_t heads = 0;  // llama.cpp rotates llama's neighbours, the others' halves
      if (s.architecture == "llama" && (gguf == "attn_q.weight" || gguf == "attn_q.bias"))
        heads = s.n_heads;
      if (s.architecture == "llama" && (gguf == "attn_k.weight" || gguf == "attn_k.bias"))
        heads = s.n_kv_heads;
      R1_DO(tensors.add(fmt::format("model.layers.{}.{}", layer, name.hf),
                        fmt::format("blk.{}.{}", layer, gguf), name.need == NamePair::kNeeded,
                        heads));
    }
  }
  return tensors.none_left(tied);
}

}  // namespace

Result<Checkpoint> hf_to_gguf(const WeightFile& file) {
  const Config config(file);
  Checkpoint out;
  R1_TRY(const Sizes sizes, read_sizes(config));
  out.n_layers = sizes.n_layers;
  R1_DO(add_metadata(config, sizes, out));
  R1_DO(add_rope(config, sizes, out));
  R1_DO(add_tokenizer(file, sizes.vocab_size, out.metadata));
  R1_DO(add_tensors(config, sizes, out));
  return out;
}

}  // namespace r1
