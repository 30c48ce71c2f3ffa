#include "train/export.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "format/checkpoint.h"
#include "format/quantize.h"
#include "format/safetensors_writer.h"

namespace r1 {
namespace {

constexpr uint64_t kSideFileLimit = 256 << 20;  // bytes
constexpr std::string_view kA = ".lora_a", kB = ".lora_b", kScales = "_scale_inv";
constexpr const char* kCopied[] = {
    "generation_config.json", "tokenizer.json", "special_tokens_map.json",
    "added_tokens.json",      "vocab.json",     "merges.txt",
    "tokenizer.model"};

std::span<const float> floats(const TensorInfo& t) {
  return {reinterpret_cast<const float*>(t.bytes.data()), t.bytes.size() / sizeof(float)};
}

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
        if (!of_source.contains(name.substr(0, name.size() - kA.size())))
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

  Result<void> add(const TensorInfo& t) {
    const TensorInfo* a = trained(t.name + std::string(kA));
    if (const TensorInfo* now = trained(t.name)) {
      if (now->shape != t.shape)
        return error("{}: shape {} was trained, the source has {}", t.name, now->shape, t.shape);
      tensors_.push_back(*now);
    } else if (a || t.dtype == DType::kF8E4M3) {
      SourceTensor exact{.name = t.name, .shape = t.shape};
      exact.parts = {{.tensor = &t, .scale_inv = source_.find(t.name + std::string(kScales))}};
      if (!info(t.dtype).decode) return error("{}: of type {}", t.name, info(t.dtype).name);
      std::vector<float>& w = made_.emplace_back(static_cast<size_t>(exact.rows() * exact.cols()));
      const TensorInfo* b = trained(t.name + std::string(kB));
      if (a && (!b || a->shape.back() != exact.cols() || b->shape.front() != exact.rows() ||
                b->shape.back() != a->shape.front()))
        return error("{}: its low-rank update has other shapes than {}", t.name, t.shape);
      threads_.parallel_for(exact.rows(), 16, [&](int64_t begin, int64_t end) {
        exact.read_rows(begin, end, w.data() + begin * exact.cols());
        if (a) merge(floats(*a), floats(*b), begin, end, exact.cols(), w.data());
      });
      tensors_.push_back({t.name, DType::kF32, t.shape, std::as_bytes(std::span(w))});
    } else {
      tensors_.push_back(t);
    }
    return {};
  }

  // Rows of w [rows, cols] += scale b a.
  void merge(std::span<const float> a, std::span<const float> b, int64_t begin, int64_t end,
             int64_t cols, float* w) const {
    const int64_t rank = std::ssize(a) / cols;
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < rank; ++k) {
        const float factor = static_cast<float>(scale_) * b[static_cast<size_t>(i * rank + k)];
        const float* of_a = a.data() + k * cols;
        for (int64_t j = 0; j < cols; ++j) w[i * cols + j] += factor * of_a[j];
      }
    }
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
Result<void> write_config(const WeightFile& source, DType type, const std::string& folder) {
  R1_TRY(const std::string text, source.side_file("config.json", kSideFileLimit));
  auto config = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!config.is_object()) return error("{}: no config.json beside the weights", source.path());
  const std::string name = type == DType::kBF16 ? "bfloat16" : "float32";
  config[config.contains("dtype") ? "dtype" : "torch_dtype"] = name;
  config.erase("quantization_config");
  return write_json(folder + "/config.json", config);
}

Result<void> copy_side_files(const WeightFile& source, const std::string& chat_template,
                             const std::string& folder) {
  for (const char* name : kCopied) {
    R1_TRY(const std::string text, source.side_file(name, kSideFileLimit));
    if (!text.empty()) R1_DO(write_file(folder + "/" + name, text));
  }
  R1_TRY(const std::string config, source.side_file("tokenizer_config.json", kSideFileLimit));
  R1_TRY(const std::string jinja, source.side_file("chat_template.jinja", kSideFileLimit));
  if (chat_template.empty()) {
    if (!config.empty()) R1_DO(write_file(folder + "/tokenizer_config.json", config));
    if (!jinja.empty()) R1_DO(write_file(folder + "/chat_template.jinja", jinja));
    return {};
  }
  auto changed = nlohmann::ordered_json::parse(config.empty() ? "{}" : config, nullptr, false);
  if (!changed.is_object()) return error("{}: tokenizer_config.json is no object", source.path());
  changed["chat_template"] = chat_template;
  return write_json(folder + "/tokenizer_config.json", changed);
}

// Routing compares these with each other: they stay exact.
bool stays_f32(const TensorInfo& t) { return t.name.ends_with(".e_score_correction_bias"); }

Result<void> write_weights(const WeightFile& model, DType type, const std::string& path) {
  std::vector<TensorInfo> declared(model.tensors().begin(), model.tensors().end());
  for (TensorInfo& t : declared) {
    if (!info(t.dtype).decode) return error("{}: of type {}", t.name, info(t.dtype).name);
    t.dtype = stays_f32(t) ? DType::kF32 : type;
  }
  std::vector<float> values;
  std::vector<std::byte> encoded;
  const auto bytes_of = [&](size_t i) -> std::span<const std::byte> {
    const TensorInfo& t = model.tensors()[i];
    const DTypeInfo &from = info(t.dtype), &to = info(declared[i].dtype);
    if (from.type == to.type) return t.bytes;
    const size_t n = t.bytes.size() / static_cast<size_t>(from.block_bytes);
    values.resize(n);
    encoded.resize(n * static_cast<size_t>(to.block_bytes));
    from.decode(t.bytes.data(), values.data(), n);
    to.encode(values.data(), encoded.data(), n, nullptr);
    return encoded;
  };
  return write_safetensors(path, declared, bytes_of, [](std::span<const std::byte>) {});
}

Result<void> write_folder(const WeightFile& model, const ExportOptions& options,
                          const std::string& out) {
  if (model.container() == Container::kGguf) {
    return error(
        "{}: what was trained from a GGUF file is exported as one: a name that ends in "
        ".gguf",
        out);
  }
  if (options.type != "f32" && options.type != "bf16")
    return error("type {}: a folder is f32 or bf16, a file that ends in .gguf any other",
                 options.type);
  const DType type = options.type == "bf16" ? DType::kBF16 : DType::kF32;
  const std::string writing = out + ".writing";
  R1_DO(remove_folder(writing));
  R1_DO(make_folder(writing));
  const auto written = [&]() -> Result<void> {
    R1_DO(write_config(model, type, writing));
    R1_DO(copy_side_files(model, options.chat_template, writing));
    R1_DO(write_weights(model, type, writing + "/model.safetensors"));
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
