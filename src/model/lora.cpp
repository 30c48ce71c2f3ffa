#include "model/lora.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "base/file.h"
#include "format/hf_to_gguf.h"
#include "format/safetensors_writer.h"
#include "model/adapter_config.h"

namespace r1 {
namespace {

constexpr uint64_t kConfigLimit = 1 << 20;  // bytes
constexpr const char* kConfigFile = "/adapter_config.json";
constexpr const char* kWeightsFile = "/adapter_model.safetensors";
constexpr std::string_view kPrefix = "base_model.model.", kWeight = ".weight";

// A linear layer of Hugging Face's model, and where the updates under `name` (a weight's in the
// file, or that of kv_b, which GGUF may have in two) hold its own.
struct Module {
  std::string name, hf;
  int64_t rows = 0, cols = 0;
  int64_t n = 1, i = 0;  // of a stack of experts
  // GGUF's llama has its query and key rows in another order, pairs beside each other: `heads` of
  // them, 0 elsewhere.
  int64_t heads = 0;
};

int64_t n_rows(const TensorInfo& t) {
  return std::accumulate(t.shape.begin(), t.shape.end() - 1, int64_t{1}, std::multiplies());
}

// Of a GGUF file.
class GgufModules {
 public:
  static Result<std::vector<Module>> of(const WeightFile& base) {
    GgufModules m(base);
    R1_TRY(const auto architecture, base.text("general.architecture"));
    m.llama_ = architecture == "llama";
    const auto count = [&](const char* key, int64_t& to) -> Result<void> {
      R1_TRY(const auto n, base.integer(architecture.value_or("") + key));
      to = n.value_or(to);
      return {};
    };
    R1_DO(count(".attention.head_count", m.n_heads_));
    m.n_kv_heads_ = m.n_heads_;
    R1_DO(count(".attention.head_count_kv", m.n_kv_heads_));
    R1_DO(count(".expert_count", m.n_experts_));
    for (const TensorInfo& t : base.tensors()) R1_DO(m.add(t));
    return std::move(m.all_);
  }

 private:
  explicit GgufModules(const WeightFile& base) : base_(base) {}

  Result<void> add(const TensorInfo& t) {
    const auto hf = hf_tensor_name(t.name);
    if (!hf || t.shape.size() < 2 || t.name.ends_with(".attn_v_b.weight")) return {};
    if (t.name.ends_with(kKeyUp)) return add_kv_b(t, *hf);
    Module m{t.name, *hf, n_rows(t), t.shape.back()};
    if (const size_t star = hf->find('*'); star != hf->npos) {
      R1_TRY(m.rows, divided(t, m.rows, n_experts_, "experts"));
      for (m.n = n_experts_, m.i = 0; m.i < m.n; ++m.i) {
        m.hf = std::string(*hf).replace(star, 1, std::to_string(m.i));
        all_.push_back(m);
      }
      return {};
    }
    if (llama_ && t.name.ends_with(".attn_q.weight")) m.heads = n_heads_;
    if (llama_ && t.name.ends_with(".attn_k.weight")) m.heads = n_kv_heads_;
    if (m.heads > 0) R1_DO(divided(t, m.rows, 2 * m.heads, "heads' pairs"));
    all_.push_back(std::move(m));
    return {};
  }

  // W^UK and W^UV of every head: one layer in Hugging Face.
  Result<void> add_kv_b(const TensorInfo& k_b, const std::string& hf) {
    const std::string block = k_b.name.substr(0, k_b.name.size() - kKeyUp.size());
    const TensorInfo* v_b = base_.find(block + ".attn_v_b.weight");
    if (!v_b || base_.find(block + ".attn_kv_b.weight")) return {};  // or it is there as well
    R1_TRY(const int64_t rank, divided(k_b, n_rows(k_b), n_heads_, "heads"));
    all_.push_back(
        {block + ".attn_kv_b.weight", hf, n_heads_ * k_b.shape.back() + n_rows(*v_b), rank});
    return {};
  }

  static Result<int64_t> divided(const TensorInfo& t, int64_t rows, int64_t n, const char* what) {
    if (n > 0 && rows % n == 0) return rows / n;
    return error("{}: {} rows are not those of {} {}", t.name, rows, n, what);
  }

  static constexpr std::string_view kKeyUp = ".attn_k_b.weight";
  const WeightFile& base_;
  bool llama_ = false;
  int64_t n_heads_ = 0, n_kv_heads_ = 0, n_experts_ = 0;
  std::vector<Module> all_;
};

Result<std::vector<Module>> modules_of(const WeightFile& base) {
  if (base.container() == Container::kGguf) return GgufModules::of(base);
  std::vector<Module> all;
  for (const TensorInfo& t : base.tensors()) {
    if (t.shape.size() == 2 && t.name.ends_with(kWeight))
      all.push_back({t.name, t.name, t.shape[0], t.shape[1]});
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

std::string module_name(const Module& m) { return m.hf.substr(0, m.hf.size() - kWeight.size()); }

// Of values [n, ...] those of the module alone.
template <class T>
std::span<T> own_part(std::span<T> values, const Module& m) {
  const size_t size = values.size() / static_cast<size_t>(m.n);
  return values.subspan(size * static_cast<size_t>(m.i), size);
}

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

}  // namespace

Result<LoraOptions> read_adapter(const std::string& folder, const WeightFile& base) {
  R1_TRY(const std::string text, read_file(folder + kConfigFile, kConfigLimit));
  auto settings = parse_adapter_config(text);
  if (!settings) return std::move(settings).error().in(folder + kConfigFile);
  LoraOptions options = *std::move(settings);
  R1_TRY(const WeightFile adapter, WeightFile::open(folder + kWeightsFile));
  R1_TRY(const auto modules, modules_of(base));
  size_t used = 0;
  for (const Module& m : modules) {
    const std::string name = std::string(kPrefix) + module_name(m);
    if (!adapter.find(name + ".lora_A.weight")) continue;
    const auto in_file = [&](Error e) { return std::move(e).in(folder + kWeightsFile); };
    auto a = values_of(adapter, name + ".lora_A.weight", options.rank, m.cols);
    auto b = values_of(adapter, name + ".lora_B.weight", m.rows, options.rank);
    if (!a) return in_file(std::move(a).error());
    if (!b) return in_file(std::move(b).error());
    if (m.heads > 0) b = reordered(*b, options.rank, m.heads, true);
    LoraValues& values = options.given[m.name];  // experts without an update keep zeros
    values.a.resize(a->size() * static_cast<size_t>(m.n));
    values.b.resize(b->size() * static_cast<size_t>(m.n));
    std::ranges::copy(*a, own_part(std::span(values.a), m).begin());
    std::ranges::copy(*b, own_part(std::span(values.b), m).begin());
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
  R1_TRY(const auto all, modules_of(base));
  std::map<std::string, const TensorInfo*> by_name;
  for (const TensorInfo& t : trained) by_name.emplace(t.name, &t);
  std::vector<TensorInfo> tensors;
  std::vector<std::vector<float>> made;
  made.reserve(all.size());
  std::vector<std::string> modules;
  std::set<std::string> used;
  for (const Module& m : all) {
    const auto a = by_name.find(m.name + kLoraA), b = by_name.find(m.name + kLoraB);
    if (a == by_name.end() || b == by_name.end()) continue;
    used.insert(m.name);
    modules.push_back(module_name(m));
    const std::string name = std::string(kPrefix) + modules.back();
    tensors.push_back({name + ".lora_A.weight",
                       DType::kF32,
                       {options.rank, m.cols},
                       own_part(a->second->bytes, m)});
    auto b_bytes = own_part(b->second->bytes, m);
    if (m.heads > 0) {
      const std::span values(reinterpret_cast<const float*>(b_bytes.data()), b_bytes.size() / 4);
      b_bytes = std::as_bytes(
          std::span(made.emplace_back(reordered(values, options.rank, m.heads, false))));
    }
    tensors.push_back({name + ".lora_B.weight", DType::kF32, {m.rows, options.rank}, b_bytes});
  }
  if (tensors.empty()) return error("{}: no low-rank update was trained", folder);
  for (const auto& entry : by_name) {
    if (entry.first.ends_with(kLoraA) &&
        !used.contains(entry.first.substr(0, entry.first.size() - std::strlen(kLoraA))))
      return error("{}: no layer of Hugging Face's is known for it", entry.first);
  }
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
