// r1 train KIND RECIPE: a model learns, as a recipe says.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>

#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "format/weights_hash.h"
#include "train/export.h"
#include "train/plan.h"
#include "train/questions.h"
#include "train/report.h"
#include "train/run.h"
#include "train/setup.h"
#include "train/sft.h"

namespace r1 {

const char* const train_examples =
    "Examples:\n"
    "  r1 train pretrain recipes/pretrain-tiny.toml       the same command goes on after a stop\n"
    "  r1 train sft recipes/sft-smollm2.toml --dry-run    what it would do, and cost\n"
    "  r1 train report runs/slow                          writes its report.html again\n"
    "  r1 train sft recipe.toml --set optimizer.lr=1e-5 --set run.out=runs/slow\n"
    "\n"
    "docs/train.md lists a recipe's keys.\n";

namespace {

constexpr uint64_t kRecipeLimit = 1 << 20;  // bytes
constexpr int64_t kExamplesRead = 1000;     // by --dry-run

struct Options {
  std::string kind, recipe;
  std::vector<std::string> set;
  bool dry_run = false, keys = false;
};

Result<Recipe> read_recipe(const Options& o) {
  const auto kind = find_train_kind(o.kind);
  if (!kind || o.recipe.empty())
    return error("pretrain, sft or grpo and a recipe expected; r1 train --help shows examples");
  R1_TRY(const std::string text, read_file(o.recipe, kRecipeLimit));
  return parse_recipe(text, o.recipe, *kind, o.set);
}

Monitor::Options view(const Options& o, const Recipe& recipe, const WeightFile& begun_with) {
  Monitor::Options view;
  view.title = fmt::format("{} {}", o.kind, o.recipe);
  view.environment = {
      {"seed", std::to_string(recipe.run.seed)},
      {"model", recipe.model.path.empty() ? recipe.model.config : recipe.model.path}};
  if (!begun_with.tensors().empty())
    view.environment.emplace_back("its weights (XXH3-128)", weights_hash(begun_with));
  view.environment.emplace_back("arithmetic", recipe.model.precision);
  if (const auto isa = chosen_isa()) view.environment.emplace_back("machine", name(*isa));
  if (recipe.kind == TrainKind::kGrpo) view.max_length = recipe.grpo.max_tokens;
  view.view = terminal(STDOUT_FILENO).styled ? View::kLive : View::kPlain;
  view.width = [] { return terminal(STDOUT_FILENO).width; };
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

void print_data(const DataSummary& s) {
  const auto n = static_cast<double>(std::max<int64_t>(1, s.read - s.dropped));
  fmt::print(
      "data      {}; of {} read: {:.0f} tokens an example, at most {}, {:.0f} % of them wanted",
      s.size > 0 ? fmt::format("{} examples", s.size) : "examples without end", s.read,
      static_cast<double>(s.tokens) / n, s.longest,
      100 * static_cast<double>(s.wanted) / std::max(1.0, static_cast<double>(s.tokens)));
  if (s.dropped > 0) fmt::print(", {} too long and left out", s.dropped);
  if (s.cut > 0) fmt::print(", {} too long and cut", s.cut);
  fmt::print("\n");
  if (s.without_end > 0) {
    fmt::print(
        "warning   {} of {} teach no token that ends a turn: the model would not learn to stop\n",
        s.without_end, s.read - s.dropped);
  }
}

void print_steps(const Recipe& r, const PlanCost& cost, double n_examples, bool evaluates) {
  const double seconds = forecast_seconds(r, cost, evaluates);
  fmt::print("steps     {}", r.run.steps > 0 ? fmt::format("{}", r.run.steps)
                                             : fmt::format("until {} min", r.run.minutes));
  if (r.kind == TrainKind::kGrpo) {
    fmt::print(" of {} questions × {} answers in {} minibatches", r.grpo.prompts, r.grpo.group,
               r.grpo.minibatches);
  } else {
    fmt::print(" of {} sequences, some {:.0f} tokens", r.batch.sequences, cost.tokens);
  }
  if (n_examples > 0) {
    fmt::print(", {:.2f} epochs",
               static_cast<double>(r.run.steps * r.batch.sequences) / n_examples);
  }
  fmt::print("\ntime      {} a step", format_seconds(cost.step_seconds));
  if (evaluates) fmt::print(", {} an evaluation", format_seconds(cost.evaluation_seconds));
  fmt::print(": about {}\n", format_seconds(seconds));
}

void print_cost(const Recipe& r, const PlanCost& cost) {
  const uint64_t rest = cost.peak - std::min(cost.peak, cost.model + cost.state);
  fmt::print(
      "memory    {}: weights {}, gradients and moments {}, activations, keys and values {}\n",
      format_bytes(cost.peak), format_bytes(cost.model), format_bytes(cost.state),
      format_bytes(rest));
  const auto kept = static_cast<uint64_t>(r.checkpoint.keep_last + r.checkpoint.keep_best);
  fmt::print("disk      {} a checkpoint, at most {} of them kept\n", format_bytes(cost.checkpoint),
             kept);
  fmt::print(
      "files     {}/: recipe.toml, about.json, metrics.jsonl, events.out.tfevents.r1, "
      "samples.jsonl, step-N/, report.html, {}\n",
      printable(r.run.out), r.lora.rank > 0 ? "adapter/" : "model");
}

// Its tokens, of examples as they are.
int64_t largest_micro_batch(const Recipe& r, const DataSummary& s) {
  const int64_t step = r.batch.sequences * s.tokens / std::max<int64_t>(1, s.read - s.dropped);
  const int64_t of_step = r.batch.tokens > 0 ? std::min(step, r.batch.tokens) : step;
  return std::max(s.longest, std::min(r.batch.micro_tokens, of_step));
}

// Nothing is written.
Result<void> dry_run(const Recipe& recipe, Trainer& trainer, uint64_t model, double n_examples) {
  R1_TRY(const PlanCost cost, measure(trainer, model));
  print_steps(recipe, cost, n_examples, trainer.evaluates());
  print_cost(recipe, cost);
  return {};
}

Result<void> train_with(const Options& o, const Recipe& recipe, const TrainedModel& trained,
                        Trainer& trainer) {
  R1_TRY(CheckpointStore checkpoints,
         CheckpointStore::open(
             recipe.run.out,
             {.last = recipe.checkpoint.keep_last, .best = recipe.checkpoint.keep_best},
             [](const std::string& line) { fmt::print(stderr, "r1: {}\n", printable(line)); }));
  R1_DO(write_file(recipe.run.out + "/recipe.toml", to_toml(recipe)));
  const InterruptGuard guard(InterruptGuard::kTerminateToo);
  R1_TRY(const RunResult result,
         run(recipe, trainer, checkpoints, view(o, recipe, *trained.file), interrupted));
  tell_end(o, recipe, result);
  if (result.end == RunEnd::kInterrupted) return {};
  R1_TRY(const std::string model, export_run(recipe, trained));
  fmt::print("{}\n", printable(model));
  return {};
}

Result<void> train(const Options& o) {
  if (o.keys) {
    fmt::print("{}", recipe_keys_markdown());
    return {};
  }
  if (o.kind == "report") {
    R1_TRY(const std::string report, write_report(o.recipe));
    fmt::print("{}\n", printable(report));
    return {};
  }
  R1_TRY(const Recipe recipe, read_recipe(o));
  R1_TRY(const TrainedModel trained, open_model(recipe));
  R1_DO(check_memory(recipe, *trained.model));
  const uint64_t loaded = resident_bytes();
  if (recipe.kind == TrainKind::kGrpo) {
    R1_TRY(const auto questions, TaskQuestions::create(recipe, trained));
    R1_TRY(const GrpoOptions options, grpo_options(recipe));
    R1_TRY(const RolloutOptions rollout, rollout_options(recipe, trained));
    GrpoTrainer trainer(*trained.model, *trained.ctx, *questions, options, rollout,
                        learner_options(recipe));
    if (o.dry_run) {
      const int64_t answers = recipe.grpo.prompts * recipe.grpo.group / recipe.grpo.minibatches;
      R1_DO(check_micro_batch(
          recipe, trained, std::min(recipe.batch.micro_tokens, answers * recipe.grpo.max_tokens)));
      return dry_run(recipe, trainer, loaded, 0);
    }
    return train_with(o, recipe, trained, trainer);
  }
  R1_TRY(const TrainingData data, open_data(recipe, trained));
  double n_examples = 0;  // of an epoch, those left out not counted
  int64_t micro_batch = 0;
  if (o.dry_run) {
    R1_TRY(const DataSummary summary,
           summarize(*data.train, trained.tokenizer ? &*trained.tokenizer : nullptr,
                     static_cast<uint64_t>(recipe.run.seed), kExamplesRead));
    print_data(summary);
    n_examples = static_cast<double>(summary.size) *
                 static_cast<double>(summary.read - summary.dropped) /
                 static_cast<double>(summary.read);
    micro_batch = largest_micro_batch(recipe, summary);
  }
  SftTrainer trainer(*trained.model, *trained.ctx, *data.train, data.held_out.get(),
                     {.seed = static_cast<uint64_t>(recipe.run.seed),
                      .sequences = recipe.batch.sequences,
                      .tokens = recipe.batch.tokens,
                      .evaluate = data.n_held_out},
                     learner_options(recipe));
  if (o.dry_run) {
    R1_DO(check_micro_batch(recipe, trained, micro_batch));
    return dry_run(recipe, trainer, loaded, n_examples);
  }
  return train_with(o, recipe, trained, trainer);
}

}  // namespace

Run declare_train(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("KIND", o->kind, "pretrain, sft or grpo; or report")->type_name("");
  app.add_option("RECIPE", o->recipe, "a TOML file; of report: the folder of a run")->type_name("");
  app.add_option("--set", o->set, "section.key=value instead of the recipe's; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--dry-run", o->dry_run, "checks everything, and prints the plan and what it costs");
  app.add_flag("--keys", o->keys, "prints every key of a recipe, as Markdown");
  return [o] { return train(*o); };
}

}  // namespace r1
