// r1 export RUN OUT: a checkpoint of a training run as a model; or a GGUF file as a folder.
#include "train/export.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "train/checkpoint.h"
#include "train/recipe.h"
#include "train/setup.h"

namespace r1 {

const char* const export_examples =
    "Examples:\n"
    "  r1 export runs/sft out                          the newest checkpoint, as a Hugging Face "
    "folder\n"
    "  r1 export runs/sft out.gguf --type q4_k_m --best\n"
    "  r1 export runs/sft/step-40 out --type bf16\n"
    "  r1 export model.gguf out --type bf16            a model's file as a Hugging Face folder\n";

namespace {

struct Options {
  std::string run, out, type = "f32";
  bool best = false, force = false, adapter = false;
};

// The checkpoint meant: one by its own folder, else the newest of a run, or the best.
Result<std::string> choose(const Options& o) {
  if (file_exists(o.run + "/manifest.json")) return o.run;
  R1_TRY(auto entries, list_checkpoints(o.run));
  if (o.best) std::erase_if(entries, [](const CheckpointEntry& e) { return !e.score; });
  if (entries.empty()) return error("{}: no {}checkpoint there", o.run, o.best ? "evaluated " : "");
  if (!o.best) return entries.back().path;
  return std::ranges::max_element(entries, {}, [](const CheckpointEntry& e) { return *e.score; })
      ->path;
}

Result<void> export_file(const Options& o) {
  if (o.adapter || o.best) return error("{} is a model, no run: it has no checkpoints", o.run);
  R1_TRY(const WeightFile source, WeightFile::open(o.run));
  ThreadPool threads(available_cores());
  ExportOptions options;
  options.type = o.type;
  R1_DO(export_model(source, {}, options, o.out, threads));
  fmt::print("{}: {}, {}\n", printable(o.out), printable(o.run), o.type);
  return {};
}

Result<void> run_export(const Options& o) {
  if (file_exists(o.out) && !o.force) return error("{} exists: --force replaces it", o.out);
  if (o.run.ends_with(".gguf")) return export_file(o);
  R1_TRY(const std::string folder, choose(o));
  R1_TRY(const LoadedCheckpoint checkpoint, load_checkpoint(folder));
  R1_TRY(const std::string text, checkpoint.state.text("run.recipe"));
  R1_TRY(const std::string kind_name, checkpoint.state.text("run.kind"));
  const auto kind = find_train_kind(kind_name);
  if (!kind) return error("{}: run.kind = {}: not known", folder, kind_name);
  R1_TRY(const Recipe recipe, parse_recipe(text, "its recipe", *kind));
  const bool drawn = recipe.model.path.empty();
  R1_TRY(const WeightFile source,
         WeightFile::open(drawn ? recipe.model.config + "/config.json" : recipe.model.path));
  const auto trained = trained_tensors(checkpoint.state.tensors);
  if (o.adapter) {
    R1_DO(write_adapter(source, trained, lora_options(recipe), o.out));
    fmt::print("{}: step {}, an adapter of {}\n", printable(o.out), checkpoint.entry.step,
               printable(source.path()));
    return {};
  }
  ThreadPool threads(available_cores());
  ExportOptions options;
  options.type = o.type;
  if (recipe.lora.rank > 0) options.lora_scale = lora_options(recipe).scale();
  if (!recipe.data.chat_template.empty()) {
    R1_TRY(options.chat_template, read_file(recipe.data.chat_template, 1 << 20));
  }
  R1_DO(export_model(source, trained, options, o.out, threads));
  fmt::print("{}: step {}, {}\n", printable(o.out), checkpoint.entry.step, o.type);
  return {};
}

}  // namespace

Run declare_export(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("RUN", o->run, "a run's folder, or one of its checkpoints; or a GGUF file")
      ->required()
      ->type_name("");
  app.add_option("OUT", o->out, "a folder (Hugging Face), or a file that ends in .gguf")
      ->required()
      ->type_name("");
  app.add_option("--type", o->type,
                 "f32 or bf16; of a .gguf file any type that r1 quantize writes (default f32)")
      ->type_name("TYPE");
  app.add_flag("--best", o->best, "the checkpoint with the best evaluation, not the newest");
  app.add_flag("--adapter", o->adapter, "only the low-rank updates, as PEFT writes them");
  app.add_flag("--force", o->force, "replaces OUT");
  return [o] { return run_export(*o); };
}

}  // namespace r1
