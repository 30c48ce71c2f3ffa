#include "format/parameters.h"

#include <charconv>

#include "base/checked.h"
#include "format/names.h"

namespace r1 {
namespace {

// A sum of products that says whether it fitted in 64 bits.
class Tally {
 public:
  void add(std::initializer_list<uint64_t> factors) {
    std::optional<uint64_t> product = 1;
    for (const uint64_t f : factors) product = product ? checked_mul(*product, f) : product;
    sum_ = sum_ && product ? checked_add(*sum_, *product) : std::nullopt;
  }
  Result<uint64_t> total() const {
    if (!sum_) return error("the number of parameters does not fit in 64 bits");
    return *sum_;
  }

 private:
  std::optional<uint64_t> sum_ = 0;
};

// A size of the config: from `least` to 2^32.
Result<uint64_t> size_or(const WeightFile& file, std::string_view key,
                         std::optional<uint64_t> otherwise, int64_t least = 1) {
  constexpr int64_t kLimit = int64_t{1} << 32;
  R1_TRY(const auto value, file.integer(key));
  if (!value && otherwise) return *otherwise;
  if (!value) return error("{}: missing, and needed to count parameters", key);
  if (*value < least || *value > kLimit)
    return error("{}: {}, allowed are {} to {}", key, *value, least, kLimit);
  return static_cast<uint64_t>(*value);
}

Result<uint64_t> size_of(const WeightFile& file, std::string_view key) {
  return size_or(file, key, std::nullopt);
}

Result<bool> flag(const WeightFile& file, std::string_view key, bool otherwise) {
  R1_TRY(const auto value, file.boolean(key));
  return value.value_or(otherwise);
}

// Embedding, head and final norm.
Result<void> add_ends(const WeightFile& file, uint64_t dim, Tally& tally) {
  R1_TRY(const uint64_t vocab, size_of(file, "vocab_size"));
  R1_TRY(const bool tied, flag(file, "tie_word_embeddings", false));
  tally.add({tied ? 1u : 2u, vocab, dim});
  tally.add({dim});
  return {};
}

Result<ParameterCount> count_dense(const WeightFile& file, std::string_view type) {
  R1_TRY(const uint64_t dim, size_of(file, "hidden_size"));
  R1_TRY(const uint64_t layers, size_of(file, "num_hidden_layers"));
  R1_TRY(const uint64_t inter, size_of(file, "intermediate_size"));
  R1_TRY(const uint64_t heads, size_of(file, "num_attention_heads"));
  R1_TRY(const uint64_t kv_heads, size_or(file, "num_key_value_heads", heads));
  R1_TRY(const uint64_t head_dim, size_or(file, "head_dim", dim / heads));
  R1_TRY(const bool biased, flag(file, "attention_bias", type == "qwen2"));
  R1_TRY(const bool mlp_biased, flag(file, "mlp_bias", false));
  Tally tally;
  R1_DO(add_ends(file, dim, tally));
  tally.add({layers, 2, heads, head_dim, dim});     // q, o
  tally.add({layers, 2, kv_heads, head_dim, dim});  // k, v
  tally.add({layers, 3, inter, dim});               // gate, up, down
  tally.add({layers, 2, dim});                      // norms
  if (type == "qwen3") tally.add({layers, 2, head_dim});
  if (biased) {
    tally.add({layers, heads, head_dim});
    tally.add({layers, 2, kv_heads, head_dim});
    if (type != "qwen2") tally.add({layers, dim});
  }
  if (mlp_biased) {
    tally.add({layers, 2, inter});
    tally.add({layers, dim});
  }
  R1_TRY(const uint64_t total, tally.total());
  return ParameterCount{total, total};
}

// Multi-head latent attention of one layer, times `layers`. DeepSeek-V2, section 2.1.
Result<void> add_mla(const WeightFile& file, uint64_t layers, uint64_t dim, Tally& tally) {
  R1_TRY(const uint64_t heads, size_of(file, "num_attention_heads"));
  R1_TRY(const uint64_t q_rank, size_or(file, "q_lora_rank", 0, 0));
  R1_TRY(const uint64_t kv_rank, size_of(file, "kv_lora_rank"));
  R1_TRY(const uint64_t nope, size_of(file, "qk_nope_head_dim"));
  R1_TRY(const uint64_t rope, size_of(file, "qk_rope_head_dim"));
  R1_TRY(const uint64_t v_dim, size_of(file, "v_head_dim"));
  if (q_rank > 0) {
    tally.add({layers, q_rank, dim + 1});  // q_a and its norm
    tally.add({layers, heads, nope + rope, q_rank});
  } else {
    tally.add({layers, heads, nope + rope, dim});
  }
  tally.add({layers, kv_rank + rope, dim});
  tally.add({layers, kv_rank});  // norm
  tally.add({layers, heads, nope + v_dim, kv_rank});
  tally.add({layers, heads, v_dim, dim});
  return {};
}

Result<ParameterCount> count_deepseek(const WeightFile& file) {
  R1_TRY(const uint64_t dim, size_of(file, "hidden_size"));
  R1_TRY(const uint64_t layers, size_of(file, "num_hidden_layers"));
  R1_TRY(const uint64_t inter, size_of(file, "intermediate_size"));
  R1_TRY(const uint64_t expert_inter, size_of(file, "moe_intermediate_size"));
  R1_TRY(const uint64_t experts, size_of(file, "n_routed_experts"));
  R1_TRY(const uint64_t used, size_of(file, "num_experts_per_tok"));
  R1_TRY(const uint64_t shared, size_or(file, "n_shared_experts", 0, 0));
  R1_TRY(const uint64_t dense_first, size_or(file, "first_k_dense_replace", 0, 0));
  R1_TRY(const uint64_t every, size_or(file, "moe_layer_freq", 1));
  R1_TRY(const auto gate, file.text("topk_method"));
  if (used > experts)
    return error("num_experts_per_tok: {}, but n_routed_experts is {}", used, experts);
  if (dense_first > layers)
    return error("first_k_dense_replace: {}, but num_hidden_layers is {}", dense_first, layers);
  // Layers from dense_first on whose number `every` divides.
  const uint64_t moe_layers = (layers + every - 1) / every - (dense_first + every - 1) / every;
  Tally tally, idle;
  R1_DO(add_ends(file, dim, tally));
  R1_DO(add_mla(file, layers, dim, tally));
  tally.add({layers, 2, dim});
  tally.add({layers - moe_layers, 3, inter, dim});
  tally.add({moe_layers, experts + shared, 3, expert_inter, dim});
  tally.add({moe_layers, experts, dim});
  if (gate == "noaux_tc") tally.add({moe_layers, experts});  // the balancing bias
  idle.add({moe_layers, experts - used, 3, expert_inter, dim});
  R1_TRY(const uint64_t total, tally.total());
  R1_TRY(const uint64_t unused, idle.total());
  return ParameterCount{total, total - unused};
}

// The number after "blk." or "model.layers.", if the name has one.
std::optional<uint64_t> layer_of(std::string_view name) {
  for (const std::string_view prefix : {"blk.", "model.layers."}) {
    if (!name.starts_with(prefix)) continue;
    uint64_t layer = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data() + prefix.size(), end, layer).ec == std::errc()) return layer;
  }
  return std::nullopt;
}

bool is_routed_expert(std::string_view name) {
  return name.find(".experts.") != std::string_view::npos ||
         name.find("_exps.") != std::string_view::npos;
}

// What the metadata says about experts and layers, under the spellings of both containers.
struct Structure {
  std::optional<int64_t> experts, used, layers;
};

Result<Structure> read_structure(const WeightFile& file) {
  Structure s;
  const auto first_of =
      [&](std::initializer_list<std::string> keys) -> Result<std::optional<int64_t>> {
    for (const auto& key : keys) {
      R1_TRY(const auto value, file.integer(key));
      if (value) return value;
    }
    return std::optional<int64_t>();
  };
  R1_TRY(const auto arch, file.text("general.architecture"));
  const std::string a = arch.value_or("") + ".";
  R1_TRY(s.experts,
         first_of({a + "expert_count", "n_routed_experts", "num_local_experts", "num_experts"}));
  R1_TRY(s.used, first_of({a + "expert_used_count", "num_experts_per_tok"}));
  R1_TRY(s.layers, first_of({a + "block_count", "num_hidden_layers"}));
  R1_TRY(const auto extra,
         first_of({a + "nextn_predict_layers"}));  // GGUF counts them among its blocks
  if (s.layers && extra && *extra >= 0 && *extra <= *s.layers) *s.layers -= *extra;
  return s;
}

Result<ParameterCount> count_tensors(const WeightFile& file) {
  R1_TRY(const Structure s, read_structure(file));
  uint64_t total = 0, routed = 0;  // cannot overflow: every element takes bytes of the file
  for (const TensorInfo& t : file.tensors()) {
    const auto layer = layer_of(t.name);
    const bool extra =
        layer && s.layers && *layer >= static_cast<uint64_t>(std::max<int64_t>(*s.layers, 0));
    if (extra || t.name.ends_with("_scale_inv") || t.name == "rope_freqs.weight") continue;
    const auto block = static_cast<uint64_t>(info(t.dtype).block);
    const uint64_t elements =
        t.bytes.size() / static_cast<uint64_t>(info(t.dtype).block_bytes) * block;
    total += elements;
    if (is_routed_expert(t.name)) routed += elements;
  }
  if (routed == 0 || !s.experts || !s.used) return ParameterCount{total, total};
  if (*s.experts < 1 || *s.used < 0 || *s.used > *s.experts) {
    return error("{} experts used of {}: not a share", *s.used, *s.experts);
  }
  const auto experts = static_cast<uint64_t>(*s.experts);
  return ParameterCount{total,
                        total - routed / experts * (experts - static_cast<uint64_t>(*s.used))};
}

}  // namespace

Result<ParameterCount> count_parameters(const WeightFile& file) {
  if (!file.tensors().empty()) return count_tensors(file);
  R1_TRY(const auto type, file.text("model_type"));
  if (!type) return error("neither tensors nor a config.json to count parameters by");
  if (*type == "llama" || *type == "qwen2" || *type == "qwen3") return count_dense(file, *type);
  if (*type == "deepseek_v3" || *type == "deepseek_v2") return count_deepseek(file);
  return error(
      "model_type {}: parameters can be counted from the config of llama, qwen2, qwen3, "
      "deepseek_v2 and deepseek_v3",
      visible(*type));
}

}  // namespace r1
