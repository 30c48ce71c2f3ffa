// Every architecture by its name in GGUF (general.architecture) and in config.json (model_type,
// architectures). A new one is a file beside this and a line here.
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "model/architectures.h"

namespace r1 {
namespace {

struct Architecture {
  std::string_view gguf, model_type, hf_class;
  std::unique_ptr<Decoder> (*make)();
};

constexpr Architecture kArchitectures[] = {
    {"llama", "llama", "LlamaForCausalLM", make_llama},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", make_qwen2},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", make_qwen3},
    {"deepseek2", "deepseek_v3", "DeepseekV3ForCausalLM", make_deepseek_v3},
    {"deepseek2", "deepseek_v2", "DeepseekV2ForCausalLM", make_deepseek_v3},
};

Error unknown(std::string_view key, std::string_view value, std::string_view Architecture::*name) {
  std::vector<std::string_view> known;
  for (const Architecture& a : kArchitectures) {
    if (std::ranges::find(known, a.*name) == known.end()) known.push_back(a.*name);
  }
  return error("{} = {}: not known; {} are", key, value, fmt::join(known, ", "));
}

Result<const Architecture*> by_name(const WeightFile& file, std::string_view key,
                                    std::string_view Architecture::*name) {
  R1_TRY(const std::optional<std::string> value, file.text(key));
  if (!value) return error("{} is missing: nothing says what model this is", key);
  for (const Architecture& a : kArchitectures) {
    if (a.*name == *value) return &a;
  }
  return unknown(key, *value, name);
}

// A checkpoint whose class is not the language model (a classifier, a reward model) has the same
// model_type.
Result<void> check_class(const WeightFile& file, const Architecture& a) {
  const MetaValue* meta = file.meta("architectures");
  const auto* array = meta ? std::get_if<std::shared_ptr<const MetaArray>>(meta) : nullptr;
  const auto* names =
      array ? std::get_if<std::vector<std::string_view>>(&(*array)->items) : nullptr;
  if (!names || names->empty() || names->front() == a.hf_class) return {};
  return unknown("architectures", names->front(), &Architecture::hf_class);
}

Result<void> check_quantization(const WeightFile& file) {
  R1_TRY(const std::optional<std::string> method, file.text("quantization_config.quant_method"));
  if (!method || *method == "fp8") return {};
  return error("quantization_config.quant_method = {}: not known; fp8 is, and GGUF for the rest",
               *method);
}

Result<const Architecture*> find(const WeightFile& file) {
  if (file.container() == Container::kGguf)
    return by_name(file, "general.architecture", &Architecture::gguf);
  R1_TRY(const Architecture* a, by_name(file, "model_type", &Architecture::model_type));
  R1_DO(check_class(file, *a));
  R1_DO(check_quantization(file));
  return a;
}

Error cannot_load(Error e, const WeightFile& file) {
  return std::move(e).in(fmt::format("cannot load {}", file.path()));
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const WeightFile& file, const LoadOptions& options,
                                           Context& ctx) {
  auto architecture = find(file);
  if (!architecture) return cannot_load(std::move(architecture).error(), file);
  std::unique_ptr<Decoder> model = (*architecture)->make();
  auto loaded = model->load(file, std::string((*architecture)->gguf), options, ctx);
  if (!loaded) return cannot_load(std::move(loaded).error(), file);
  return std::unique_ptr<Model>(std::move(model));
}

}  // namespace r1
