// r1 eval BENCHMARK --model M: problems put to a model several times each, graded by the code that
// rewards in training, and scored with intervals.
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/evaluation.h"
#include "eval/harness.h"
#include "format/hf_config.h"
#include "format/weights_hash.h"
#include "infer/vocab_spec.h"
#include "train/known_metrics.h"

namespace r1 {

const char* const eval_examples =
    "Examples:\n"
    "  r1 eval countdown3                                         r1-nano, the held-out problems\n"
    "  r1 eval countdown --problems mine.jsonl --model m.gguf     {\"nums\": [1, 5, 8], "
    "\"target\": "
    "40}\n"
    "  r1 eval countdown --problems mine.jsonl --model base.gguf --prompt tinyzero --plain --json\n"
    "\n"
    "pass@k: the chance that one of k answers to a problem is right (unbiased, arXiv 2107.03374); "
    "cons@n: the\n"
    "majority answer is right, a tie by its share. Intervals of 95 %: problems resampled with all "
    "their answers.\n"
    "The same seed gives the same answers, whatever the batch and the threads.\n";

namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kProblemsLimit = uint64_t{256} << 20;

struct Options {
  EvaluationOptions model;
  std::string benchmark, problems, prompt, answers;
  EvalOptions eval;
  bool plain = false, json = false;
};

Json to_json(const Estimate& e) { return {{"value", e.value}, {"low", e.low}, {"high", e.high}}; }

Json to_json(const Options& o, const std::string& weights, const EvalResult& r) {
  const Score& s = r.score;
  Json json = {{"benchmark", o.benchmark},    {"model", o.model.model},
               {"weights_xxh3_128", weights}, {"problems", s.problems},
               {"samples", s.samples},        {"temperature", o.eval.temperature},
               {"top_p", o.eval.top_p},       {"top_k", o.eval.top_k},
               {"seed", o.eval.seed},         {"max_tokens", o.eval.max_tokens},
               {"prompt", o.eval.prompt}};
  for (const PassAtK& p : s.pass) json[fmt::format("pass@{}", p.k)] = to_json(p.share);
  json[fmt::format("cons@{}", s.samples)] = to_json(s.cons_n);
  json["mean_length"] = s.mean_tokens;
  json["capped"] = s.capped;
  json["unanswered"] = s.unanswered;
  json["tokens"] = r.generated_tokens;
  json["seconds"] = r.seconds;
  json["tokens_per_second"] = static_cast<double>(r.generated_tokens) / r.seconds;
  return json;
}

void print(const Options& o, const EvalResult& r) {
  const Score& s = r.score;
  const auto share = [](double x) { return format_figure(x, Figure::kPercent); };
  fmt::print("{}: {} problems, {} answers each, temperature {:g}, seed {}\n", o.benchmark,
             s.problems, s.samples, o.eval.temperature, o.eval.seed);
  const auto line = [&](const std::string& name, const Estimate& e) {
    fmt::print("  {:<10}{:>7}   {} to {}\n", name, share(e.value), share(e.low), share(e.high));
  };
  for (const PassAtK& p : s.pass) line(fmt::format("pass@{}", p.k), p.share);
  if (s.samples > 1) line(fmt::format("cons@{}", s.samples), s.cons_n);
  fmt::print("  {:.1f} tokens an answer; {} cut off at {}, {} without an answer\n", s.mean_tokens,
             share(s.capped), o.eval.max_tokens, share(s.unanswered));
  fmt::print("  {} tokens in {}: {:.0f} tokens/s\n",
             format_grouped(static_cast<uint64_t>(r.generated_tokens)), format_seconds(r.seconds),
             static_cast<double>(r.generated_tokens) / r.seconds);
}

Result<void> write_answers(const std::string& path, std::span<const Item> items,
                           const EvalResult& r) {
  R1_TRY(auto file, AtomicFile::create(path));
  for (const EvalAnswer& a : r.answers) {
    const Json line = {{"problem", a.item},
                       {"sample", a.sample},
                       {"question", items[a.item].question},
                       {"completion", a.completion},
                       {"right", a.graded.right},
                       {"vote", a.graded.vote},
                       {"tokens", a.graded.tokens},
                       {"capped", a.graded.capped}};
    R1_DO(file.write(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"));
  }
  return file.commit();
}

Result<std::vector<Item>> items_of(const Benchmark& benchmark, const std::string& path) {
  if (path.empty()) return benchmark.items(nullptr);
  R1_TRY(const std::string text, read_file(path, kProblemsLimit));
  auto items = benchmark.items(&text);
  if (!items) return std::move(items).error().in(path);
  return items;
}

Result<void> run(Options o) {
  R1_TRY(const Benchmark* const benchmark, find_benchmark(o.benchmark));
  if (o.model.model.empty()) {
    R1_TRY(o.model.model, default_model("--model FILE.gguf or --model FOLDER"));
  }
  R1_TRY(const auto items, items_of(*benchmark, o.problems));
  R1_TRY(const WeightFile file, WeightFile::open(o.model.model));
  R1_TRY(const Tokenizer tokenizer, load_tokenizer(file));
  std::optional<ChatTemplate> chat_template;
  if (!o.plain) {
    R1_TRY(const auto source, chat_template_source(file));
    if (source) {
      R1_TRY(chat_template, ChatTemplate::parse(*source));
    }
  }
  R1_TRY(const auto ctx, Context::create(o.model.threads));
  R1_TRY(const auto model, load_model(file, o.model, *ctx));
  o.eval.kv_dtype = o.model.kv_dtype();
  o.eval.prompt = o.prompt == "tinyzero" ? std::string(kTinyZeroPrompt) : o.prompt;
  Progress bar("answers", items.size() * static_cast<size_t>(o.eval.samples), ProgressUnit::kCount);
  o.eval.progress = [&](int64_t answers, int64_t) { bar.update(static_cast<uint64_t>(answers)); };
  R1_TRY(
      const EvalResult result,
      evaluate({*model, *ctx, tokenizer, chat_template ? &*chat_template : nullptr, o.model.model},
               *benchmark, items, o.eval));
  bar.finish();
  if (!o.answers.empty()) R1_DO(write_answers(o.answers, items, result));
  if (o.json) {
    fmt::print(
        "{}\n",
        to_json(o, weights_hash(file), result).dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    print(o, result);
  }
  return {};
}

}  // namespace

Run declare_eval(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  std::vector<std::string_view> names;
  for (const Benchmark& b : benchmarks()) names.push_back(b.name);
  app.add_option("BENCHMARK", o->benchmark, fmt::format("{}", fmt::join(names, ", ")))
      ->required()
      ->type_name("");
  add_named_model_options(app, o->model);
  app.add_option("--problems", o->problems,
                 "a JSONL file of problems; default: the benchmark's own")
      ->type_name("FILE");
  app.add_option("--samples", o->eval.samples, "answers to each problem")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--temperature", o->eval.temperature, "0: the most likely token each time")
      ->check(CLI::Range(0.0f, 100.0f))
      ->type_name("T")
      ->capture_default_str();
  app.add_option("--top-p", o->eval.top_p, "1: off")
      ->check(CLI::Range(1e-6f, 1.0f))
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--top-k", o->eval.top_k, "0: off")
      ->check(CLI::Range(0, 1 << 20))
      ->type_name("K")
      ->capture_default_str();
  app.add_option("--seed", o->eval.seed, "of all answers")->type_name("S")->capture_default_str();
  app.add_option("--max-tokens", o->eval.max_tokens, "of an answer")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--batch", o->eval.running, "answers drawn at the same time")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--prompt", o->prompt,
                 "instead of the benchmark's question: a text with {nums}, {target} or {problem}, "
                 "or tinyzero")
      ->type_name("TEXT");
  app.add_flag("--plain", o->plain, "continue the prompt as text, without the chat template");
  app.add_option("--answers", o->answers, "write every answer with its grade, as JSONL")
      ->type_name("FILE");
  app.add_flag("--json", o->json, "print JSON");
  return [o] { return run(*o); };
}

}  // namespace r1
