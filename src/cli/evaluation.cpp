#include "cli/evaluation.h"

#include <CLI/CLI.hpp>

#include "cli/chat_options.h"

namespace r1 {

namespace {

constexpr const char* kModelHelp = "a GGUF file, a safetensors file or a Hugging Face folder";

void add_loading_options(CLI::App& app, EvaluationOptions& options) {
  EvaluationOptions* o = &options;
  app.add_option("--adapter", o->adapter, "low-rank updates of the model: a folder that PEFT wrote")
      ->type_name("FOLDER");
  add_choice(app, "--compute", "auto|f32",
             "auto: the fast arithmetic of each weight type; f32: exact values in F32",
             [o](const std::string& v) {
               o->compute = v == "f32" ? Compute::kF32 : Compute::kFast;
               return v == "f32" || v == "auto";
             });
  add_choice(app, "--kv", "f32|f16|bf16|q8_0",
             "type of the key/value cache; default: f32 with --compute f32, else f16",
             [o](const std::string& v) {
               o->kv = kv_dtype_from_name(v);
               return o->kv.has_value();
             });
  add_choice(
      app, "--mla", "absorbed|plain",
      "form of latent attention: absorbed keeps one short vector a token, plain every head's "
      "keys and values; other models have none",
      [o](const std::string& v) {
        o->mla = v == "plain" ? MlaForm::kPlain : MlaForm::kAbsorbed;
        return v == "plain" || v == "absorbed";
      });
  app.add_option("--threads", o->threads, "default: all cores")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}

}  // namespace

void add_evaluation_options(CLI::App& app, EvaluationOptions& options) {
  app.add_option("MODEL", options.model, kModelHelp)->required();
  add_loading_options(app, options);
}

void add_named_model_options(CLI::App& app, EvaluationOptions& options) {
  app.add_option("--model", options.model, std::string(kModelHelp) + "; default: r1-nano")
      ->type_name("MODEL");
  add_loading_options(app, options);
}

Result<std::unique_ptr<Model>> load_model(const WeightFile& file, const EvaluationOptions& options,
                                          Context& ctx) {
  std::optional<Progress> bar;
  const auto progress = [&bar](uint64_t done, uint64_t total) {
    if (!bar) bar.emplace("weights", total);
    bar->update(done);
  };
  LoadOptions load{
      .compute = options.compute, .progress = progress, .mla = options.mla, .mtp = options.mtp};
  if (!options.adapter.empty()) {
    R1_TRY(load.lora, read_adapter(options.adapter, file));
  }
  auto model = Model::load(file, load, ctx);
  if (bar && model) bar->finish();
  return model;
}

}  // namespace r1
