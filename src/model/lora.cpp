#include "model/lora.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "format/hf_to_gguf.h"
#include "format/safetensors_writer.h"

namespace r1 {
namespace {

using nlohmann::json;

constexpr uint64_t kConfigLimit = 1 << 20;  // bytes
constexpr const char* kConfigFile = "/adapter_config.json";
constexpr const char* kWeightsFile = "/adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.", kWeight = ".weight";

// A weight of the file by its name in Hugging Face; GGUF's llama has its query and key rows in
// another order, pairs beside each other: `heads` of them, 0 elsewhere.
struct NamedWeight {
  std::string name, hf;
  int64_t heads = 0;
};

Result<std::vector<NamedWeight>> named_weights(const WeightFile& base) {
  std::vector<NamedWeight> all;
  const bool gguf = base.container() == Container::kGguf;
  int64_t n_heads = 0, n_kv_heads = 0;
  if (gguf) {
    R1_TRY(const auto architecture, base.text("general.architecture"));
    if (architecture == "llama") {
      R1_TRY(const auto heads, base.integer("llama.attention.head_count"));
      R1_TRY(const auto kv_heads, base.integer("llama.attention.head_count_kv"));
      n_heads = heads.value_or(0);
      n_kv_heads = kv_heads.value_or(n_heads);
    }
  }
  for (const TensorInfo& t : base.tensors()) {
    if (t.shape.size() != 2 || !t.name.ends_with(kWeight)) continue;
    NamedWeight w{t.name, t.name, 0};
    if (gguf) {
      const auto hf = hf_tensor_name(t.name);
      if (!hf) continue;
      w.hf = *hf;
      if (t.name.ends_with(".attn_q.weight")) w.heads = n_heads;
      if (t.name.ends_with(".attn_k.weight")) w.heads = n_kv_heads;
      if (w.heads > 0 && (t.shape[0] % w.heads != 0 || t.shape[0] / w.heads % 2 != 0))
        return error("{}: {} rows are no {} heads of pairs", t.name, t.shape[0], w.heads);
    }
    all.push_back(std::move(w));
  }
  return all;
}

// B's rows [rows, r] from Hugging Face's order to GGUF's, or back.
std::vector<float> reordered(std::span<const float> b, int64_t rank, int64_t heads, bool to_gguf) {
  const int64_t rows = std::ssize(b) / rank, dim = rows / heads;
  std::vector<float> out(b.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t i = row % dim, half = row - i + i % 2 * (dim / 2) + i / 2;  // where HF has it
    const int64_t from = to_gguf ? half : row, to = to_gguf ? row : half;
    std::copy_n(b.begin() + from * rank, rank, out.begin() + to * rank);
  }
  return out;
}

std::string module_of(const std::string& hf) { return hf.substr(0, hf.size() - kWeight.size()); }

Result<std::vector<float>> values_of(const WeightFile& adapter, const std::string& name,
                                     int64_t rows, int64_t cols) {
  const TensorInfo* t = adapter.find(name);
  if (!t) return error("no tensor {}", name);
  if (t->shape != std::vector{rows, cols})
    return error("{}: shape [{}, {}] expected, the file has {}", name, rows, cols, t->shape);
  if (!info(t->dtype).decode || info(t->dtype).block != 1)
    return error("{}: type {} is no adapter's", name, info(t->dtype).name);
  std::vector<float> values(static_cast<size_t>(rows * cols));
  info(t->dtype).decode(t->bytes.data(), values.data(), values.size());
  return values;
}

Result<LoraOptions> read_settings(const std::string& text) {
  const json config = json::parse(text, nullptr, false);
  if (!config.is_object()) return error("not a JSON object");
  const auto kind = config.find("peft_type");
  if (kind == config.end() || *kind != "LORA") return error("peft_type is not LORA");
  for (const char* key : {"use_dora", "use_rslora", "fan_in_fan_out"}) {
    const auto flag = config.find(key);
    if (flag != config.end() && flag->is_boolean() && flag->get<bool>())
      return error("{}: not known here", key);
  }
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save"}) {
    const auto pattern = config.find(key);
    if (pattern != config.end() && !pattern->empty()) return error("{}: not known here", key);
  }
  const auto rank = config.find("r"), alpha = config.find("lora_alpha");
  if (rank == config.end() || !rank->is_number_integer() || *rank < 1 || *rank > 1 << 16)
    return error("r is no rank");
  if (alpha == config.end() || !alpha->is_number()) return error("lora_alpha is no number");
  LoraOptions options;
  options.rank = rank->get<int64_t>();
  options.alpha = alpha->get<double>();
  return options;
}

}  // namespace

Result<LoraOptions> read_adapter(const std::string& folder, const WeightFile& base) {
  R1_TRY(const std::string text, read_file(folder + kConfigFile, kConfigLimit));
  auto settings = read_settings(text);
  if (!settings) return std::move(settings).error().in(folder + kConfigFile);
  LoraOptions options = *std::move(settings);
  R1_TRY(const WeightFile adapter, WeightFile::open(folder + kWeightsFile));
  R1_TRY(const auto weights, named_weights(base));
  size_t used = 0;
  for (const NamedWeight& w : weights) {
    const std::string module = std::string(kPrefix) + module_of(w.hf);
    if (!adapter.find(module + ".lora_A.weight")) continue;
    const TensorInfo& t = *base.find(w.name);
    const auto in_file = [&](Error e) { return std::move(e).in(folder + kWeightsFile); };
    auto a = values_of(adapter, module + ".lora_A.weight", options.rank, t.shape[1]);
    auto b = values_of(adapter, module + ".lora_B.weight", t.shape[0], options.rank);
    if (!a) return in_file(std::move(a).error());
    if (!b) return in_file(std::move(b).error());
    LoraValues values{*std::move(a), *std::move(b)};
    if (w.heads > 0) values.b = reordered(values.b, options.rank, w.heads, true);
    options.given.emplace(w.name, std::move(values));
    used += 2;
  }
  if (used == 0 || used != adapter.tensors().size()) {
    return error("{}: {} of its {} tensors belong to weights of {}", folder, used,
                 adapter.tensors().size(), base.path());
  }
  return options;
}

Result<void> write_adapter(const WeightFile& base, std::span<const TensorInfo> trained,
                           const LoraOptions& options, const std::string& folder) {
  R1_TRY(const auto weights, named_weights(base));
  std::vector<TensorInfo> tensors;
  std::vector<std::vector<float>> made;
  made.reserve(weights.size());
  std::vector<std::string> modules;
  for (const NamedWeight& w : weights) {
    const auto a = std::ranges::find(trained, w.name + kLoraA, &TensorInfo::name);
    const auto b = std::ranges::find(trained, w.name + kLoraB, &TensorInfo::name);
    if (a == trained.end() || b == trained.end()) continue;
    modules.push_back(module_of(w.hf));
    const std::string module = std::string(kPrefix) + modules.back();
    tensors.push_back({module + ".lora_A.weight", DType::kF32, a->shape, a->bytes});
    std::span<const std::byte> b_bytes = b->bytes;
    if (w.heads > 0) {
      const std::span values(reinterpret_cast<const float*>(b_bytes.data()), b_bytes.size() / 4);
      b_bytes = std::as_bytes(
          std::span(made.emplace_back(reordered(values, options.rank, w.heads, false))));
    }
    tensors.push_back({module + ".lora_B.weight", DType::kF32, b->shape, b_bytes});
  }
  if (tensors.empty()) return error("{}: no low-rank update was trained", folder);
  const nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                         {"task_type", "CAUSAL_LM"},
                                         {"base_model_name_or_path", base.path()},
                                         {"r", options.rank},
                                         {"lora_alpha", options.alpha},
                                         {"lora_dropout", 0.0},
                                         {"bias", "none"},
                                         {"fan_in_fan_out", false},
                                         {"inference_mode", true},
                                         {"target_modules", modules}};
  const std::string writing = folder + ".writing";
  R1_DO(remove_folder(writing));
  R1_DO(make_folder(writing));
  R1_DO(write_file(writing + kConfigFile, config.dump(2) + '\n'));
  R1_DO(write_safetensors(writing + kWeightsFile, tensors));
  return replace_folder(writing, folder);
}

}  // namespace r1
