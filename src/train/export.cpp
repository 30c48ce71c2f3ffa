#include "train/export.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>

#include "base/file.h"
#include "format/checkpoint.h"
#include "format/gguf_to_hf.h"
#include "format/quantize.h"
#include "format/safetensors_writer.h"

namespace r1 {
namespace {

constexpr uint64_t kSideFileLimit = 256 << 20;  // bytes
constexpr std::string_view kA = ".lora_a", kB = ".lora_b", kScales = "_scale_inv";
constexpr std::string_view kKvB = ".attn_kv_b.weight", kKB = ".attn_k_b.weight",
                           kVB = ".attn_v_b.weight";
constexpr const char* kCopied[] = {"config.json",
                                   "generation_config.json",
                                   "tokenizer.json",
                                   "special_tokens_map.json",
                                   "added_tokens.json",
                                   "vocab.json",
                                   "merges.txt",
                                   "tokenizer.model",
                                   "tokenizer_config.json",
                                   "chat_template.jinja"};

std::span<const float> floats(const TensorInfo& t) {
  return {reinterpret_cast<const float*>(t.bytes.data()), t.bytes.size() / sizeof(float)};
}

int64_t rows_of(const TensorInfo& t) {
  return std::accumulate(t.shape.begin(), t.shape.end() - 1, int64_t{1}, std::multiplies());
}

// A low-rank update of a tensor [rows, cols]: row i += scale * row(i) of b times a.
struct Update {
  const TensorInfo *a, *b;  // [n, r, cols], [n, rows, r]: of a stack of n, or without n
  int64_t n = 1;
  // Of kv_b, where GGUF has W^UV or (transposed, [width, count] a head) W^UK apart: `count` rows of
  // each head's `stride`, from `first` on.
  int64_t count = 0, stride = 0, first = 0;
  bool transposed = false;

  // Rows [begin, end) of w; `rows` is of all.
  void merge(double scale, int64_t begin, int64_t end, int64_t rows, int64_t cols, float* w) const {
    const int64_t rank = b->shape.back(), width = a->shape.back();
    const auto of_a = [&](int64_t i) { return floats(*a).data() + i * width; };
    const auto of_b = [&](int64_t i) { return floats(*b).data() + i * rank; };
    const auto f = static_cast<float>(scale);
    for (int64_t i = begin; i < end; ++i) {
      float* to = w + i * cols;
      if (transposed) {
        const float* of_column = of_a(0) + i % width;
        for (int64_t j = 0; j < cols; ++j) {
          const float* of_row = of_b(i / width * stride + first + j);
          for (int64_t k = 0; k < rank; ++k) to[j] += f * of_row[k] * of_column[k * width];
        }
        continue;
      }
      const float* of_row = of_b(count > 0 ? i / count * stride + first + i % count : i);
      for (int64_t k = 0; k < rank; ++k) {
        const float* x = of_a(i / (rows / n) * rank + k);
        for (int64_t j = 0; j < cols; ++j) to[j] += f * of_row[k] * x[j];
      }
    }
  }
};

// The tensors of the model that was trained: those of the source, replaced or merged, in its order;
// then those that it has not.
class Composition {
 public:
  Composition(const WeightFile& source, std::span<const TensorInfo> trained, double lora_scale,
              ThreadPool& threads)
      : source_(source), scale_(lora_scale), threads_(threads) {
    for (const TensorInfo& t : trained) trained_.emplace(t.name, &t);
  }

  Result<std::vector<TensorInfo>> compose() {
    std::set<std::string_view> of_source;
    for (const TensorInfo& t : source_.tensors()) {
      of_source.insert(t.name);
      if (stale(t.name)) continue;
      R1_DO(add(t));
    }
    for (const auto& [name, t] : trained_) {
      if (of_source.contains(name)) continue;
      if (name.ends_with(kA) || name.ends_with(kB)) {
        const std::string of(name.substr(0, name.size() - kA.size()));
        const bool halved = of.ends_with(kKvB) && of_source.contains(half(of, kKB));
        if (!of_source.contains(of) && !halved)
          return error("{}: the source has no such matrix", name);
        continue;
      }
      tensors_.push_back(*t);
    }
    return std::move(tensors_);
  }

 private:
  const TensorInfo* trained(std::string_view name) const {
    const auto found = trained_.find(name);
    return found == trained_.end() ? nullptr : found->second;
  }
  // What training has overtaken: second copies of a tied head, or of embedding and head in a layer
  // of multi-token prediction; scales of what is F32 now.
  bool stale(std::string_view name) const {
    if (trained(name)) return false;
    const bool embedding = trained("model.embed_tokens.weight") != nullptr;
    if (name == "lm_head.weight" || name.ends_with(".embed_tokens.weight")) return embedding;
    if (name.ends_with(".shared_head.head.weight")) return trained("lm_head.weight") != nullptr;
    return name.ends_with(kScales) &&
           source_.find(name.substr(0, name.size() - kScales.size())) != nullptr;
  }

  static std::string half(std::string_view of_kv_b, std::string_view name) {
    return std::string(of_kv_b.substr(0, of_kv_b.size() - kKvB.size())) + std::string(name);
  }

  Result<std::optional<Update>> update_of(const TensorInfo& t) const {
    const auto pair = [&](const std::string& name) {
      return Update{trained(name + std::string(kA)), trained(name + std::string(kB))};
    };
    Update u = pair(t.name);
    const bool k = t.name.ends_with(kKB), v = t.name.ends_with(kVB);
    std::string block = t.name.substr(0, t.name.size() - (k ? kKB : kVB).size());
    if (k || v) u = pair(block + std::string(kKvB));
    if (!u.a) return std::optional<Update>();
    const auto wrong = [&] {
      return error("{}: its low-rank update has other shapes than {}", t.name, t.shape);
    };
    if (!u.b || u.b->shape.back() < 1 || u.a->shape.back() < 1) return wrong();
    const int64_t rank = u.b->shape.back(), width = u.a->shape.back(), rows = rows_of(t);
    if (!k && !v) {
      u.n = u.a->shape.size() == 3 ? u.a->shape[0] : 1;
      if (width != t.shape.back() || rows_of(*u.b) != rows || u.n < 1 || rows % u.n != 0 ||
          rows_of(*u.a) != u.n * rank)
        return wrong();
      return std::optional(u);
    }
    const TensorInfo* k_b = source_.find(block + std::string(kKB));
    const int64_t heads = k_b ? rows_of(*k_b) / width : 0;
    if (heads < 1 || rows % heads != 0 || rows_of(*u.b) % heads != 0 || rows_of(*u.a) != rank)
      return wrong();
    u.transposed = k;
    u.stride = rows_of(*u.b) / heads;
    u.first = k ? 0 : k_b->shape.back();
    u.count = k ? t.shape.back() : rows / heads;
    if (u.first + u.count > u.stride || (v && width != t.shape.back())) return wrong();
    return std::optional(u);
  }

  Result<void> add(const TensorInfo& t) {
    R1_TRY(const auto update, update_of(t));
    if (const TensorInfo* now = trained(t.name)) {
      if (now->shape != t.shape)
        return error("{}: shape {} was trained, the source has {}", t.name, now->shape, t.shape);
      tensors_.push_back(*now);
    } else if (update || t.dtype == DType::kF8E4M3) {
      SourceTensor exact{.name = t.name, .shape = t.shape};
      exact.parts = {{.tensor = &t, .scale_inv = source_.find(t.name + std::string(kScales))}};
      if (!info(t.dtype).decode) return error("{}: of type {}", t.name, info(t.dtype).name);
      std::vector<float>& w = made_.emplace_back(static_cast<size_t>(exact.rows() * exact.cols()));
      threads_.parallel_for(exact.rows(), 16, [&](int64_t begin, int64_t end) {
        exact.read_rows(begin, end, w.data() + begin * exact.cols());
        if (update) update->merge(scale_, begin, end, exact.rows(), exact.cols(), w.data());
      });
      tensors_.push_back({t.name, DType::kF32, t.shape, std::as_bytes(std::span(w))});
    } else {
      tensors_.push_back(t);
    }
    return {};
  }

  const WeightFile& source_;
  double scale_;
  ThreadPool& threads_;
  std::map<std::string, const TensorInfo*, std::less<>> trained_;
  std::list<std::vector<float>> made_;
  std::vector<TensorInfo> tensors_;
};

Result<void> write_json(const std::string& path, const nlohmann::ordered_json& json) {
  return write_file(path, json.dump(2) + '\n');
}

// config.json as it was, but for the type of what lies beside it now.
Result<void> write_config(const std::string& text, DType type, const std::string& folder) {
  auto config = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!config.is_object()) return error("no config.json beside the weights");
  const std::string name = type == DType::kBF16 ? "bfloat16" : "float32";
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = name;
  config.erase("quantization_config");
  return write_json(folder + "/config.json", config);
}

// The files beside the weights, as `source` has them; the template, where another is wanted.
Result<void> write_side_files(std::vector<TextFile> files, const std::string& chat_template,
                              const std::string& folder) {
  for (TextFile& file : files) {
    const bool config = file.name == "tokenizer_config.json";
    if (!chat_template.empty() && file.name == "chat_template.jinja") continue;
    if (config && !chat_template.empty()) {
      auto changed =
          nlohmann::ordered_json::parse(file.text.empty() ? "{}" : file.text, nullptr, false);
      if (!changed.is_object()) return error("tokenizer_config.json is no object");
      changed["chat_template"] = chat_template;
      R1_DO(write_json(folder + "/" + file.name, changed));
    } else if (!file.text.empty()) {
      R1_DO(write_file(folder + "/" + file.name, file.text));
    }
  }
  return {};
}

Result<HfFolder> folder_of(const WeightFile& model) {
  if (model.container() == Container::kGguf) return gguf_to_hf(model);
  HfFolder folder;
  for (const char* name : kCopied) {
    R1_TRY(std::string text, model.side_file(name, kSideFileLimit));
    folder.files.push_back({name, std::move(text)});
  }
  for (const TensorInfo& t : model.tensors()) folder.tensors.push_back({t.name, &t});
  return folder;
}

// Routing compares these with each other: they stay exact.
bool stays_f32(std::string_view name) { return name.ends_with(".e_score_correction_bias"); }

Result<void> write_weights(std::span<const HfTensor> tensors, DType type, const std::string& path) {
  std::vector<TensorInfo> declared;
  for (const HfTensor& t : tensors) {
    if (!info(t.from->dtype).decode)
      return error("{}: of type {}", t.name, info(t.from->dtype).name);
    declared.push_back({t.name, stays_f32(t.name) ? DType::kF32 : type, t.from->shape, {}});
  }
  std::vector<float> values;
  std::vector<std::byte> encoded;
  const auto bytes_of = [&](size_t i) -> std::span<const std::byte> {
    const HfTensor& t = tensors[i];
    const DTypeInfo &from = info(t.from->dtype), &to = info(declared[i].dtype);
    if (from.type == to.type && t.heads == 0) return t.from->bytes;
    const size_t n = t.from->bytes.size() / static_cast<size_t>(from.block_bytes) *
                     static_cast<size_t>(from.block);
    values.resize(n);
    encoded.resize(n * static_cast<size_t>(to.block_bytes));
    from.decode(t.from->bytes.data(), values.data(), n);
    if (t.heads > 0) reorder_rows(values, t.from->shape[0], t.heads);
    to.encode(values.data(), encoded.data(), n, nullptr);
    return encoded;
  };
  return write_safetensors(path, declared, bytes_of, [](std::span<const std::byte>) {});
}

Result<void> write_folder(const WeightFile& model, const ExportOptions& options,
                          const std::string& out) {
  if (options.type != "f32" && options.type != "bf16")
    return error("type {}: a folder is f32 or bf16, a file that ends in .gguf any other",
                 options.type);
  const DType type = options.type == "bf16" ? DType::kBF16 : DType::kF32;
  R1_TRY(HfFolder folder, folder_of(model));
  const auto config = std::ranges::find(folder.files, "config.json", &TextFile::name);
  const std::string config_text = std::move(config->text);
  folder.files.erase(config);
  const std::string writing = out + ".writing";
  R1_DO(remove_folder(writing));
  R1_DO(make_folder(writing));
  const auto written = [&]() -> Result<void> {
    R1_DO(write_config(config_text, type, writing));
    R1_DO(write_side_files(std::move(folder.files), options.chat_template, writing));
    R1_DO(write_weights(folder.tensors, type, writing + "/model.safetensors"));
    return replace_folder(writing, out);
  }();
  if (!written) (void)remove_folder(writing);  // what is wrong has been said
  return written;
}

}  // namespace

std::vector<TensorInfo> trained_tensors(const Model& model) {
  std::vector<TensorInfo> tensors;
  for (const ModelParameter& p : model.parameters()) {
    const std::span values(p.values.data(), static_cast<size_t>(p.values.size()));
    tensors.push_back({p.name, DType::kF32, p.shape, std::as_bytes(values)});
  }
  return tensors;
}

std::vector<TensorInfo> trained_tensors(std::span<const TensorInfo> of_checkpoint) {
  constexpr std::string_view kPrefix = "model/";
  std::vector<TensorInfo> tensors;
  for (const TensorInfo& t : of_checkpoint) {
    if (!t.name.starts_with(kPrefix)) continue;
    tensors.push_back(t);
    tensors.back().name.erase(0, kPrefix.size());
  }
  return tensors;
}

Result<std::string> export_run(const Recipe& recipe, const TrainedModel& trained) {
  const WeightFile& source = *trained.file;
  const auto tensors = trained_tensors(*trained.model);
  if (recipe.lora.rank > 0) {
    const std::string out = recipe.run.out + "/adapter";
    R1_DO(write_adapter(source, tensors, lora_options(recipe), out));
    return out;
  }
  const bool gguf = source.container() == Container::kGguf;
  const std::string out = recipe.run.out + (gguf ? "/model.gguf" : "/model");
  ExportOptions options;
  if (!recipe.data.chat_template.empty()) options.chat_template = trained.chat_template->source();
  ThreadPool threads(trained.ctx->n_threads());
  R1_DO(export_model(source, tensors, options, out, threads));
  return out;
}

Result<void> export_model(const WeightFile& source, std::span<const TensorInfo> trained,
                          const ExportOptions& options, const std::string& out,
                          ThreadPool& threads) {
  for (const TensorInfo& t : trained) R1_CHECK(t.dtype == DType::kF32);
  Composition composition(source, trained, options.lora_scale, threads);
  auto tensors = composition.compose();
  if (!tensors) return std::move(tensors).error().in(fmt::format("cannot export to {}", out));
  R1_TRY(const WeightFile model, source.with_tensors(*std::move(tensors)));
  if (!out.ends_with(".gguf")) return write_folder(model, options, out);
  R1_TRY(const Mix* mix, find_mix(options.type));
  R1_TRY(const auto summary, quantize(model, out, *mix, threads, [](uint64_t, uint64_t) {}));
  (void)summary;
  return {};
}

}  // namespace r1
