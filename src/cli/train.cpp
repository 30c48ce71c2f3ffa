// r1 train KIND RECIPE: a model learns, as a recipe says.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "train/questions.h"
#include "train/run.h"
#include "train/setup.h"
#include "train/sft.h"

namespace r1 {

const char* const train_examples =
    "Examples:\n"
    "  r1 train pretrain recipes/pretrain-tiny.toml                 the same command goes on after "
    "a "
    "stop\n"
    "  r1 train sft recipes/sft-smollm2.toml --dry-run              what it would do, and cost\n"
    "  r1 train sft recipe.toml --set optimizer.lr=1e-5 --set run.out=runs/slow\n"
    "\n"
    "docs/train.md lists a recipe's keys.\n";

namespace {

constexpr uint64_t kRecipeLimit = 1 << 20;  // bytes

struct Options {
  std::string kind, recipe;
  std::vector<std::string> set;
  bool dry_run = false;
};

Result<Recipe> read_recipe(const Options& o) {
  const auto kind = find_train_kind(o.kind);
  if (!kind) return error("{}: pretrain, sft or grpo expected", o.kind);
  R1_TRY(const std::string text, read_file(o.recipe, kRecipeLimit));
  return parse_recipe(text, o.recipe, *kind, o.set);
}

Monitor::Options view(const Options& o) {
  Monitor::Options view;
  view.title = fmt::format("{} {}", o.kind, o.recipe);
  view.view = View::kPlain;
  view.print = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  return view;
}

void tell_end(const Options& o, const Recipe& recipe, const RunResult& result) {
  const char* why = result.end == RunEnd::kSteps     ? "all steps are done"
                    : result.end == RunEnd::kMinutes ? "its time is over"
                                                     : "interrupted; the same command goes on";
  fmt::print("{} {}: step {}, {}: {}\n", o.kind, printable(recipe.run.out), result.step,
             format_seconds(result.seconds), why);
}

Result<void> train_with(const Options& o, const Recipe& recipe, Trainer& trainer) {
  R1_TRY(CheckpointStore checkpoints,
         CheckpointStore::open(
             recipe.run.out,
             {.last = recipe.checkpoint.keep_last, .best = recipe.checkpoint.keep_best},
             [](const std::string& line) { fmt::print(stderr, "r1: {}\n", printable(line)); }));
  R1_DO(write_file(recipe.run.out + "/recipe.toml", to_toml(recipe)));
  const InterruptGuard guard(InterruptGuard::kTerminateToo);
  R1_TRY(const RunResult result, run(recipe, trainer, checkpoints, view(o), interrupted));
  tell_end(o, recipe, result);
  return {};
}

Result<void> train(const Options& o) {
  R1_TRY(const Recipe recipe, read_recipe(o));
  R1_TRY(const TrainedModel trained, open_model(recipe));
  if (recipe.kind == TrainKind::kGrpo) {
    R1_TRY(const auto questions, TaskQuestions::create(recipe, trained));
    R1_TRY(const GrpoOptions options, grpo_options(recipe));
    R1_TRY(const RolloutOptions rollout, rollout_options(recipe, trained));
    GrpoTrainer trainer(*trained.model, *trained.ctx, *questions, options, rollout,
                        learner_options(recipe));
    return train_with(o, recipe, trainer);
  }
  R1_TRY(const TrainingData data, open_data(recipe, trained));
  SftTrainer trainer(*trained.model, *trained.ctx, *data.train, data.held_out.get(),
                     {.seed = static_cast<uint64_t>(recipe.run.seed),
                      .sequences = recipe.batch.sequences,
                      .tokens = recipe.batch.tokens,
                      .evaluate = data.n_held_out},
                     learner_options(recipe));
  return train_with(o, recipe, trainer);
}

}  // namespace

Run declare_train(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("KIND", o->kind, "pretrain, sft or grpo")->required()->type_name("");
  app.add_option("RECIPE", o->recipe, "a TOML file")->required()->type_name("");
  app.add_option("--set", o->set, "section.key=value instead of the recipe's; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--dry-run", o->dry_run, "checks everything, and prints the plan and what it costs");
  return [o] { return train(*o); };
}

}  // namespace r1
