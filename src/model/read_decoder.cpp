// The settings every dense decoder has, and RoPE with its scalings: "none", "linear", "yarn" (Peng
// et al. 2023) and "llama3" (Llama 3.1). Names and defaults: the GGUF specification; transformers'
// modeling_rope_utils.
#include <algorithm>
#include <cmath>

#include "model/config.h"

namespace r1 {
namespace {

void read_yarn(Reader& r, RopeConfig& rope) {
  double mscale = 0, mscale_all_dim = 0;
  r.read(rope.beta_fast, "rope.scaling.yarn_beta_fast", "rope_scaling.beta_fast", 32.0);
  r.read(rope.beta_slow, "rope.scaling.yarn_beta_slow", "rope_scaling.beta_slow", 1.0);
  r.read(rope.truncate, "", "rope_scaling.truncate", true);
  r.read(mscale, "", "rope_scaling.mscale", 0.0);
  r.read(mscale_all_dim, "rope.scaling.yarn_log_multiplier", "rope_scaling.mscale_all_dim", 0.0);
  if (r.gguf()) mscale = mscale_all_dim *= 10;  // GGUF keeps 0.1 m, and one m for both
  rope.mscale_all_dim = mscale_all_dim;
  double extra = 1;  // GGUF's multiplies the default, Hugging Face's replaces it
  r.read(extra, "rope.scaling.attn_factor", "", 1.0);
  const double usual =
      mscale != 0 && mscale_all_dim != 0
          ? yarn_scale(rope.factor, mscale) / yarn_scale(rope.factor, mscale_all_dim)
          : yarn_scale(rope.factor, 1);
  r.read(rope.attention_factor, "", "rope_scaling.attention_factor", usual * extra);
}

// GGUF keeps llama3's scaling as a tensor of divisors.
void read_divisors(Reader& r, RopeConfig& rope) {
  const TensorInfo* t = r.gguf() ? r.file().find("rope_freqs.weight") : nullptr;
  if (!t) return;
  const auto n = static_cast<size_t>(rope.dim / 2);
  if (t->dtype != DType::kF32 || t->bytes.size() != n * sizeof(float)) {
    return r.fail(
        error("rope_freqs.weight: {} F32 values expected, one a pair; the file has {} bytes of {}",
              n, t->bytes.size(), info(t->dtype).name));
  }
  rope.divisors.resize(n);
  info(DType::kF32).decode(t->bytes.data(), rope.divisors.data(), n);
  for (const float divisor : rope.divisors) {
    if (!(divisor > 0 && std::isfinite(divisor)))
      r.fail(error("rope_freqs.weight: a divisor is {}", divisor));
  }
}

}  // namespace

double yarn_scale(double factor, double m) {
  return factor <= 1 ? 1 : 0.1 * m * std::log(factor) + 1;
}

void read_rope(Reader& r, Config& c, int64_t dim) {
  RopeConfig& rope = c.rope;
  std::string type;
  r.read(rope.theta, "rope.freq_base", "rope_theta", 10000.0);  // both formats' stated default
  r.read(rope.dim, "rope.dimension_count", "", dim);
  double partial = 1;
  r.read(partial, "", "partial_rotary_factor", 1.0);
  if (partial != 1)
    r.fail(error("partial_rotary_factor = {}: {} rotates whole heads", partial, c.architecture));
  r.read(rope.factor, "rope.scaling.factor", "rope_scaling.factor", 0.0);
  const double given = rope.factor;
  double linear = 0;  // the key of old files
  r.read(linear, "rope.scale_linear", "", 0.0);
  r.read(type, "rope.scaling.type", "rope_scaling.rope_type", linear > 1 ? "linear" : "none");
  if (linear > 1 && given == 0) rope.factor = linear;
  r.read(rope.original_context, "rope.scaling.original_context_length",
         "rope_scaling.original_max_position_embeddings", c.context_length);
  if (rope.original_context < 1)
    r.fail(error("RoPE scaled from a context of {} tokens", rope.original_context));
  if (!(rope.theta > 1 && std::isfinite(rope.theta)))
    r.fail(error("RoPE base {}: it must be above 1", rope.theta));
  read_divisors(r, rope);
  if (type == "none" || type == "default") {
    rope.factor = 1;
    return;
  }
  const std::string key =
      r.gguf() ? c.architecture + ".rope.scaling.type" : "rope_scaling.rope_type";
  if (type == "dynamic") {
    return r.fail(error(
        "{} = dynamic: its angles change as a text grows, so keys already computed would be wrong; "
        "linear, yarn and llama3 are known",
        key));
  }
  if (type != "linear" && type != "yarn" && type != "llama3") {
    return r.fail(error("{} = {}: not known; linear, yarn and llama3 are", key, type));
  }
  if (type == "yarn" && rope.factor == 0) {
    rope.factor = static_cast<double>(c.context_length) /
                  static_cast<double>(std::max<int64_t>(1, rope.original_context));
  }
  if (!(rope.factor >= 1 && std::isfinite(rope.factor))) {
    return r.fail(
        error("{} = {} with a factor of {}: it must be at least 1", key, type, rope.factor));
  }
  if (type == "linear") rope.scaling = RopeScaling::kLinear;
  if (type == "yarn") {
    rope.scaling = RopeScaling::kYarn;
    read_yarn(r, rope);
  }
  if (type == "llama3") {
    rope.scaling = RopeScaling::kLlama3;
    r.read(rope.low_freq_factor, "", "rope_scaling.low_freq_factor");
    r.read(rope.high_freq_factor, "", "rope_scaling.high_freq_factor");
    if (!(rope.low_freq_factor > 0 && rope.high_freq_factor > rope.low_freq_factor)) {
      r.fail(error("rope_scaling: low_freq_factor {} must be above 0 and below high_freq_factor {}",
                   rope.low_freq_factor, rope.high_freq_factor));
    }
  }
}

namespace {

// A sliding window is refused where some layer would see less than the context through it.
void read_window(Reader& r, const Config& c) {
  bool used = true;
  int64_t window = 0, first_layer = 0;
  r.read(used, "", "use_sliding_window",
         c.architecture == "llama");  // llama's window has no switch
  r.read(window, "attention.sliding_window", "sliding_window", 0);
  r.read(first_layer, "", "max_window_layers", 0);
  if (used && window > 0 && window < c.context_length && first_layer < c.n_layers) {
    r.fail(error(
        "sliding_window = {}: attention to a window only is not known; a context of {} needs it",
        window, c.context_length));
  }
  const MetaValue* types = r.gguf() ? nullptr : r.file().meta("layer_types");
  const auto* array = types ? std::get_if<std::shared_ptr<const MetaArray>>(types) : nullptr;
  const auto* names =
      array ? std::get_if<std::vector<std::string_view>>(&(*array)->items) : nullptr;
  for (size_t i = 0; names && i < names->size(); ++i) {
    if ((*names)[i] != "full_attention" &&
        (window < c.context_length || (*names)[i] != "sliding_attention")) {
      r.fail(error("layer_types.{} = {}: only full_attention is known", i, (*names)[i]));
    }
  }
}

}  // namespace

void read_sizes(Reader& r, Config& c) {
  r.read(c.dim, "embedding_length", "hidden_size");
  r.read(c.inter_dim, "feed_forward_length", "intermediate_size");
  r.read(c.n_layers, "block_count", "num_hidden_layers");
  r.read(c.n_heads, "attention.head_count", "num_attention_heads");
  r.read(c.context_length, "context_length", "max_position_embeddings");
  r.read(c.norm_eps, "attention.layer_norm_rms_epsilon", "rms_norm_eps");
  std::string act;
  r.read(act, "", "hidden_act", "silu");
  if (act != "silu") r.fail(error("hidden_act = {}: not known; silu is", act));

  // GGUF has no keys for the vocabulary's rows and the tied head: the tensors say.
  if (r.gguf()) {
    const TensorInfo* embedding = r.file().find("token_embd.weight");
    c.vocab_size = embedding && !embedding->shape.empty() ? embedding->shape.front() : 0;
    if (!embedding) r.fail(error("token_embd.weight is missing"));
    c.tied = !r.file().find("output.weight");
  } else {
    r.read(c.vocab_size, "", "vocab_size");
    r.read(c.tied, "", "tie_word_embeddings", false);
  }
}

void read_decoder(Reader& r, Config& c) {
  read_sizes(r, c);
  r.read(c.n_kv_heads, "attention.head_count_kv", "num_key_value_heads", c.n_heads);
  r.read(c.head_dim, "attention.key_length", "head_dim", c.n_heads > 0 ? c.dim / c.n_heads : 0);
  int64_t value_dim = 0;
  r.read(value_dim, "attention.value_length", "", c.head_dim);
  if (value_dim != c.head_dim) {
    r.fail(error("attention.value_length = {}: {} has keys and values of one length, here {}",
                 value_dim, c.architecture, c.head_dim));
  }
  read_rope(r, c, c.head_dim);
  read_window(r, c);
}

}  // namespace r1
