#include "format/gguf_to_hf.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "format/hf_to_gguf.h"
#include "format/model_shape.h"

namespace r1 {
namespace {

using ordered_json = nlohmann::ordered_json;

// GGUF's numbers are F32: as people write them.
double shortest(double x) { return std::stod(fmt::format("{}", static_cast<float>(x))); }

struct Architecture {
  std::string_view gguf, hf;
};
constexpr Architecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM"}, {"qwen2", "Qwen2ForCausalLM"}, {"qwen3", "Qwen3ForCausalLM"}};

Result<void> check_sayable(const ModelShape& s) {
  if (s.llama3_rope)
    return error(
        "rope_freqs.weight: Llama 3's scaling is in the file, but not as config.json says it");
  if (s.architecture == "qwen2" && (!s.qkv_bias || s.o_bias || s.mlp_bias))
    return error("qwen2 with other biases than those of query, key and value has no config.json");
  if (s.architecture == "llama" && s.qkv_bias != s.o_bias)
    return error("llama with some biases of attention, and without others, has no config.json");
  if (s.norm_eps == 0) return error("{}.attention.layer_norm_rms_epsilon: missing", s.architecture);
  return {};
}

Result<void> add_rope_scaling(const WeightFile& gguf, const ModelShape& s, ordered_json& config) {
  const std::string prefix = s.architecture + ".rope.scaling.";
  R1_TRY(const auto type, gguf.text(prefix + "type"));
  if (type.value_or("none") == "none") return {};
  if (*type != "linear" && *type != "yarn")
    return error("{}type '{}': config.json is written for linear and yarn", prefix, *type);
  ordered_json scaling = {{"rope_type", *type}};
  constexpr std::pair<const char*, const char*> kNumbers[] = {
      {"factor", "factor"}, {"yarn_beta_fast", "beta_fast"}, {"yarn_beta_slow", "beta_slow"}};
  for (const auto& [key, name] : kNumbers) {
    R1_TRY(const auto value, gguf.number(prefix + key));
    if (value) scaling[name] = shortest(*value);
  }
  R1_TRY(const auto context, gguf.integer(prefix + "original_context_length"));
  if (context) scaling["original_max_position_embeddings"] = *context;
  config["rope_scaling"] = std::move(scaling);
  return {};
}

Result<ordered_json> config_of(const WeightFile& gguf, const ModelShape& s) {
  const auto found = std::ranges::find(kArchitectures, s.architecture, &Architecture::gguf);
  if (found == std::end(kArchitectures))
    return error("a GGUF file of '{}' is not written as a folder: llama, qwen2 and qwen3 are",
                 s.architecture);
  R1_DO(check_sayable(s));
  ordered_json config = {{"architectures", {found->hf}},
                         {"model_type", s.architecture},
                         {"hidden_act", "silu"},
                         {"hidden_size", s.dim},
                         {"intermediate_size", s.inter_dim},
                         {"num_hidden_layers", s.n_layers},
                         {"num_attention_heads", s.n_heads},
                         {"num_key_value_heads", s.n_kv_heads}};
  if (s.architecture != "qwen2" || s.head_dim * s.n_heads != s.dim) config["head_dim"] = s.head_dim;
  if (s.architecture != "qwen2") config["attention_bias"] = s.qkv_bias;
  if (s.architecture == "llama") config["mlp_bias"] = s.mlp_bias;
  if (s.context_length > 0) config["max_position_embeddings"] = s.context_length;
  config["rms_norm_eps"] = shortest(s.norm_eps);
  config["rope_theta"] = s.rope_theta > 0 ? shortest(s.rope_theta) : 10000;
  config["vocab_size"] = s.vocab_size;
  config["tie_word_embeddings"] = s.tied;
  R1_DO(add_rope_scaling(gguf, s, config));
  return config;
}

// The tokens that begin a text and that end a turn.
Result<void> add_ids(const WeightFile& gguf, ordered_json& config, ordered_json& generation) {
  const auto id = [&](const char* name) {
    return gguf.integer(fmt::format("tokenizer.ggml.{}_token_id", name));
  };
  R1_TRY(const auto bos, id("bos"));
  R1_TRY(const auto eos, id("eos"));
  R1_TRY(const auto eot, id("eot"));
  if (bos) config["bos_token_id"] = generation["bos_token_id"] = *bos;
  if (!eos) return {};
  config["eos_token_id"] = generation["eos_token_id"] = *eos;
  if (eot && *eot != *eos) generation["eos_token_id"] = {*eos, *eot};
  return {};
}

}  // namespace

Result<HfFolder> gguf_to_hf(const WeightFile& gguf) {
  R1_TRY(const ModelShape shape, read_shape(gguf));
  R1_TRY(ordered_json config, config_of(gguf, shape));
  ordered_json generation = ordered_json::object();
  R1_DO(add_ids(gguf, config, generation));
  HfFolder folder;
  R1_TRY(folder.files, tokenizer_files(gguf));
  folder.files.push_back({"config.json", config.dump(2) + '\n'});
  folder.files.push_back({"generation_config.json", generation.dump(2) + '\n'});
  for (const TensorInfo& t : gguf.tensors()) {
    const auto name = hf_tensor_name(t.name);
    if (!name) return error("{}: Hugging Face has no name for it", t.name);
    HfTensor to{*name, &t};
    if (shape.architecture == "llama") {
      const auto ends = [&](const char* kind) {
        return t.name.ends_with(fmt::format(".attn_{}.weight", kind)) ||
               t.name.ends_with(fmt::format(".attn_{}.bias", kind));
      };
      if (ends("q")) to.heads = shape.n_heads;
      if (ends("k")) to.heads = shape.n_kv_heads;
    }
    if (to.heads > 0 && (t.shape.empty() || t.shape[0] % (2 * to.heads) != 0))
      return error("{}: its rows are no {} heads of pairs", t.name, to.heads);
    folder.tensors.push_back(std::move(to));
  }
  return folder;
}

void reorder_rows(std::vector<float>& values, int64_t rows, int64_t heads) {
  const int64_t cols = std::ssize(values) / rows, dim = rows / heads;
  std::vector<float> out(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t i = row % dim, to = row - i + i % 2 * (dim / 2) + i / 2;
    std::copy_n(values.begin() + row * cols, cols, out.begin() + to * cols);
  }
  values = std::move(out);
}

}  // namespace r1
