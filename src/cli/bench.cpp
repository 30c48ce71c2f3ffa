// r1 bench MODEL: how fast a model runs here, beside what the memory allows, measured in the same
// run with the same threads (design, law 8). r1 bench --machine: the peaks of every instruction
// set.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/chat_options.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "infer/draft_head.h"
#include "infer/draft_model.h"
#include "infer/lookup.h"
#include "infer/serving_speed.h"
#include "infer/speculation_speed.h"
#include "infer/speed.h"
#include "infer/vocab_spec.h"
#include "kernels/peak.h"
#include "train/training_speed.h"

namespace r1 {

const char* const bench_examples =
    "Examples:\n"
    "  r1 bench model.gguf                          prefill, decode, decode at depth, batched "
    "decode\n"
    "  r1 bench model.gguf --depth 0,4096 --batch 1,8,32 --json\n"
    "  r1 bench model.gguf --serve 256 --batch 32   requests in groups of 16 with one prompt\n"
    "  r1 bench FOLDER --train 64 --prefill 128     steps of 64 sequences of 128 tokens\n"
    "  r1 synth r1-distill-qwen-7b big.gguf && r1 bench big.gguf\n"
    "  r1 bench --machine                           what memory and instruction sets reach\n";

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model, compute = "auto", kv = "f16", mla = "absorbed";
  int64_t prefill = 512, decode = 128;
  std::vector<int64_t> depths = {0, 4096}, batches = {1, 8, 32};
  int64_t serve = 0, group = 16, train = 0;
  int threads = 0, repeats = 5;
  Speculate speculate = Speculate::kOff;
  std::string draft_model;
  std::vector<double> held;
  bool json = false, machine = false;
};

Json to_json(const Spread& s) { return {{"median", s.median}, {"low", s.low}, {"high", s.high}}; }

// Half of the distance between the extremes, as people write it.
double swing(const Spread& s) { return (s.high - s.low) / 2; }

void print_json(const Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

Result<void> bench_machine(const Options& o, int threads) {
  R1_TRY(const double read_one, machine_read_gbps(1));
  R1_TRY(const double read_all, machine_read_gbps(threads));
  Json json = {{"threads", threads}};
  const auto add = [&](const std::string& what, const char* unit,
                       const std::function<double(int)>& probe) {
    const double one = probe(1), all = threads == 1 ? one : probe(threads);
    json["peaks"].push_back(
        {{"what", what}, {"unit", unit}, {"one_thread", one}, {"all_threads", all}});
    if (!o.json) fmt::print("{:<24} {:>10.1f} {:>12.1f}  {}\n", what, one, all, unit);
  };
  if (!o.json)
    fmt::print("{:<24} {:>10} {:>12}\n", "", "1 thread", fmt::format("{} threads", threads));
  add("memory read", "GB/s", [&](int n) { return n == 1 ? read_one : read_all; });
  for (const Isa isa : supported_isas()) {
    add(fmt::format("{} f32", name(isa)), "GFLOP/s",
        [isa](int n) { return sum_over_threads(n, [isa] { return f32_peak_gflops(isa); }); });
    add(fmt::format("{} int8", name(isa)), "GOP/s",
        [isa](int n) { return sum_over_threads(n, [isa] { return int8_peak_gops(isa); }); });
  }
  if (o.json) print_json(json);
  return {};
}

std::vector<SpeedCase> cases_of(const Options& o, int64_t context) {
  std::vector<SpeedCase> cases;
  const auto add = [&](const SpeedCase& c) {
    if (c.depth + c.tokens <= context) return cases.push_back(c);
    fmt::print(stderr, "r1: {} tokens at depth {} are left out: the model's context is {}\n",
               c.tokens, c.depth, context);
  };
  if (o.prefill > 0) add({.prefill = true, .tokens = o.prefill, .depth = 0, .batch = 1});
  if (o.decode == 0) return cases;
  for (const int64_t batch : o.batches) {  // several sequences at the first depth alone
    for (const int64_t depth : std::span(o.depths).first(batch == 1 ? o.depths.size() : 1))
      add({.prefill = false, .tokens = o.decode, .depth = depth, .batch = batch});
  }
  return cases;
}

std::string case_name(const SpeedCase& c) {
  if (c.prefill) return fmt::format("prefill {}", c.tokens);
  std::string text = fmt::format("decode {}", c.tokens);
  if (c.depth > 0) text += fmt::format(" at depth {}", c.depth);
  if (c.batch > 1) text += fmt::format(" × {} sequences", c.batch);
  return text;
}

void print_row(const Speed& s, double memory_gbps) {
  const SpeedCase& c = s.measured;
  std::string line = case_name(c);
  line += std::string(static_cast<size_t>(std::max(1, 30 - display_width(line))), ' ');
  line +=
      fmt::format("{:>10.1f} ±{:<8.1f}", s.tokens_per_second.median, swing(s.tokens_per_second));
  if (!c.prefill) {
    line += fmt::format("{:>14} {:>9.1f} {:>9.0f} %",
                        format_bytes(s.step_bytes / static_cast<uint64_t>(c.batch)), s.read_gbps,
                        100 * s.read_gbps / memory_gbps);
  }
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

Json to_json(const Speed& s, double memory_gbps) {
  const SpeedCase& c = s.measured;
  Json json = {{"test", c.prefill ? "prefill" : "decode"},
               {"tokens", c.tokens},
               {"depth", c.depth},
               {"batch", c.batch},
               {"tokens_per_second", to_json(s.tokens_per_second)}};
  if (!c.prefill) {
    json["bytes_per_token"] = s.step_bytes / static_cast<uint64_t>(c.batch);
    json["read_gbps"] = s.read_gbps;
    json["bandwidth_share"] = s.read_gbps / memory_gbps;
  }
  return json;
}

Json to_json(const ServingSpeed& s) {
  return {{"test", "serve"},
          {"requests", s.measured.requests},
          {"group", s.measured.group},
          {"batch", s.measured.running},
          {"prompt_tokens", s.prompt_tokens},
          {"cached_tokens", s.cached_tokens},
          {"generated_tokens", s.generated_tokens},
          {"steps", s.steps},
          {"rows", s.rows},
          {"seconds", s.seconds},
          {"forward_seconds", s.forward_seconds},
          {"tokens_per_second", s.tokens_per_second()}};
}

Result<Json> bench_serving(const Options& o, const Model& model, Context& ctx) {
  Json results = Json::array();
  if (!o.json) {
    fmt::print("{:<30}{:>10} {:>12} {:>12} {:>14}\n", "", "tokens/s", "of prompts", "rows a step",
               "beside forward");
  }
  for (const int64_t batch : o.batches) {
    R1_TRY(const ServingSpeed s, serving_speed(model, ctx, *dtype_from_name(o.kv),
                                               {.requests = o.serve,
                                                .group = o.group,
                                                .running = batch,
                                                .prompt = o.prefill,
                                                .generated = o.decode}));
    if (!o.json) {
      fmt::print("{:<30}{:>10.1f} {:>10.0f} % {:>12.1f} {:>12.1f} %\n",
                 fmt::format("serve {}, {} at once", o.serve, batch), s.tokens_per_second(),
                 100 * static_cast<double>(s.prompt_tokens - s.cached_tokens) /
                     static_cast<double>(s.prompt_tokens),
                 static_cast<double>(s.rows) / static_cast<double>(s.steps), 100 * s.overhead());
      std::fflush(stdout);
    }
    results.push_back(to_json(s));
  }
  return results;
}

// "new, mtp", "85 % held, mtp"
std::string text_name(const SpeculationCase& c) {
  return c.held >= 0 ? fmt::format("{:.0f} % held", 100 * c.held) : c.repeats ? "replayed" : "new";
}

void print_row(const SpeculationSpeed& s, const char* who) {
  const SpeculationCase& c = s.measured;
  const auto name = fmt::format("decode {} {}, {}", c.tokens, text_name(c), who);
  fmt::print("{:<30}{:>10.1f} ±{:<8.1f}{:>10.2f} × {:.1f} without, {} of {} guesses right\n", name,
             s.speculating.median, swing(s.speculating), s.speedup(), s.plain.median, s.accepted,
             s.drafted);
  std::fflush(stdout);
}

Json to_json(const SpeculationSpeed& s, const char* who) {
  return {{"test", fmt::format("{} {}", who, text_name(s.measured))},
          {"tokens", s.measured.tokens},
          {"tokens_per_second", to_json(s.speculating)},
          {"plain_tokens_per_second", to_json(s.plain)},
          {"speedup", s.speedup()},
          {"drafted", s.drafted},
          {"accepted", s.accepted}};
}

// Decoding with guesses beside decoding without: of text said before, where that tells, of new
// text, and of guesses that are made right.
Result<void> bench_speculation(const Options& o, const WeightFile& file, const Model& model,
                               Context& ctx, DType kv_dtype, Json& results) {
  const auto vocab = static_cast<int32_t>(model.config().vocab_size);
  const bool lookup = o.speculate == Speculate::kLookup, mtp = o.speculate == Speculate::kMtp;
  if (mtp && !model.drafts())
    return error("{} has no multi-token prediction layer: --speculate lookup works for every model",
                 o.model);
  std::shared_ptr<const Model> draft;
  if (o.speculate == Speculate::kDraft) {
    R1_TRY(const auto tokenizer, find_tokenizer(file));
    const Compute compute = o.compute == "f32" ? Compute::kF32 : Compute::kFast;
    R1_TRY(draft,
           load_draft(o.draft_model, compute, model, tokenizer ? &*tokenizer : nullptr, ctx));
  }
  const auto make = [&](int32_t pages) -> Result<std::unique_ptr<Speculator>> {
    using Any = std::unique_ptr<Speculator>;
    if (lookup) return Any(std::make_unique<Lookup>(0));
    if (mtp) return Any(std::make_unique<DraftHead>(model, ctx, vocab));
    R1_TRY(auto kv, KvPages::create(draft->kv_shape(kv_dtype), pages));
    const auto both = static_cast<int32_t>(std::min<int64_t>(vocab, draft->config().vocab_size));
    return Any(std::make_unique<DraftModel>(draft, ctx, std::move(kv), both));
  };
  std::vector<SpeculationCase> cases = {{.tokens = o.decode}};
  if (lookup) cases.insert(cases.begin(), {.repeats = true, .tokens = o.decode});
  for (const double held : o.held) cases.push_back({.held = held, .tokens = o.decode});
  const char* who = lookup ? "lookup" : mtp ? "mtp" : "draft";
  for (const SpeculationCase& c : cases) {
    std::optional<Progress> bar;
    bar.emplace(who, static_cast<uint64_t>(o.repeats), ProgressUnit::kCount);
    R1_TRY(const auto speed,
           measure_speculation(model, ctx, kv_dtype, c, make, o.repeats,
                               [&, done = uint64_t{0}]() mutable { bar->update(++done); }));
    bar.reset();
    if (!o.json) print_row(speed, who);
    results.push_back(to_json(speed, who));
  }
  return {};
}

// Steps of training; --compute f32: in F32, else BF16 products with F32 values.
Result<void> bench_training(const Options& o, const Model& model, Context& ctx) {
  const TrainingCase c{.sequences = o.train, .length = o.prefill};
  R1_CHECK(c.length > 0);
  std::optional<Progress> bar;
  bar.emplace("train", static_cast<uint64_t>(o.repeats), ProgressUnit::kCount);
  R1_TRY(const auto s, training_speed(model, ctx, c, o.repeats,
                                      [&, done = uint64_t{0}]() mutable { bar->update(++done); }));
  bar.reset();
  if (o.json) {
    print_json({{"model", o.model},
                {"isa", name(ctx.isa())},
                {"threads", ctx.n_threads()},
                {"compute", o.compute},
                {"test", "train"},
                {"sequences", c.sequences},
                {"length", c.length},
                {"tokens_per_second", to_json(s.tokens_per_second)},
                {"forward_seconds", s.forward_seconds},
                {"gradient_seconds", s.gradient_seconds},
                {"optimizer_seconds", s.optimizer_seconds}});
    return {};
  }
  fmt::print("{:<30}{:>10} {:<9}{:>14} {:>14} {:>12}\n", "", "tokens/s", "", "forward alone",
             "with gradient", "optimizer");
  fmt::print("{:<30}{:>10.1f} ±{:<8.1f}{:>12.1f} ms {:>11.1f} ms {:>9.1f} ms\n",
             fmt::format("train {} × {}", c.sequences, c.length), s.tokens_per_second.median,
             swing(s.tokens_per_second), 1e3 * s.forward_seconds, 1e3 * s.gradient_seconds,
             1e3 * s.optimizer_seconds);
  return {};
}

Result<void> bench_model(const Options& o, Context& ctx) {
  R1_TRY(const WeightFile file, WeightFile::open(o.model));
  std::optional<Progress> loading;
  LoadOptions options;
  options.compute = o.compute == "f32" ? Compute::kF32 : Compute::kFast;
  options.mla = o.mla == "plain" ? MlaForm::kPlain : MlaForm::kAbsorbed;
  options.mtp = o.speculate == Speculate::kMtp;
  if (o.train > 0) options.learn = o.compute == "f32" ? DType::kF32 : DType::kBF16;
  options.progress = [&](uint64_t done, uint64_t total) {
    if (!loading) loading.emplace("weights", total);
    loading->update(done);
  };
  R1_TRY(const auto model, Model::load(file, options, ctx));
  loading.reset();

  if (o.train > 0) return bench_training(o, *model, ctx);
  if (o.serve > 0) {
    R1_TRY(const Json results, bench_serving(o, *model, ctx));
    if (o.json)
      print_json({{"model", o.model}, {"threads", ctx.n_threads()}, {"results", results}});
    return {};
  }
  const std::vector<SpeedCase> cases = cases_of(o, model->config().context_length);
  const DType kv_dtype = *dtype_from_name(o.kv);
  R1_TRY(auto test, SpeedTest::create(*model, ctx, kv_dtype, cases));
  R1_TRY(const double memory_gbps, machine_read_gbps(ctx.n_threads()));
  Json json = {{"model", o.model},
               {"isa", name(ctx.isa())},
               {"threads", ctx.n_threads()},
               {"compute", o.compute},
               {"weight_bytes", model->weight_bytes()},
               {"kv_dtype", o.kv},
               {"kv_bytes_per_token", model->kv_shape(kv_dtype).bytes_per_token()},
               {"memory_read_gbps", memory_gbps},
               {"results", Json::array()}};
  if (!o.json) {
    fmt::print("CPU {} · {} threads · weights {} · memory reads {:.1f} GB/s · median of {} runs\n",
               name(ctx.isa()), ctx.n_threads(), format_bytes(model->weight_bytes()), memory_gbps,
               o.repeats);
    fmt::print("{:<30}{:>10} {:<9}{:>14} {:>9} {:>11}\n", "", "tokens/s", "", "read a token",
               "GB/s", "of memory");
  }
  for (const SpeedCase& c : cases) {
    std::optional<Progress> bar;
    bar.emplace(case_name(c), static_cast<uint64_t>(o.repeats), ProgressUnit::kCount);
    const Speed speed =
        test.measure(c, o.repeats, [&, done = uint64_t{0}]() mutable { bar->update(++done); });
    bar.reset();
    if (!o.json) print_row(speed, memory_gbps);
    json["results"].push_back(to_json(speed, memory_gbps));
  }
  if (o.speculate != Speculate::kOff && o.decode > 1) {
    R1_DO(bench_speculation(o, file, *model, ctx, kv_dtype, json["results"]));
  }
  if (o.json) print_json(json);
  return {};
}

Result<void> run(const Options& o) {
  R1_TRY(const auto ctx, Context::create(o.threads));
  if (o.machine) return bench_machine(o, ctx->n_threads());
  if (o.model.empty()) return error("no model named: r1 bench MODEL, or r1 bench --machine");
  return bench_model(o, *ctx);
}

}  // namespace

Run declare_bench(CLI::App& app) {
  constexpr int64_t kMostTokens = 1 << 20;
  const auto o = std::make_shared<Options>();
  app.add_option("MODEL", o->model, "a GGUF file, a safetensors file or a Hugging Face folder");
  app.add_option("--prefill", o->prefill, "tokens of the prompt; 0: no prefill")
      ->check(CLI::Range(int64_t{0}, kMostTokens))
      ->capture_default_str();
  app.add_option("--decode", o->decode, "tokens decoded; 0: no decoding")
      ->check(CLI::Range(int64_t{0}, kMostTokens))
      ->capture_default_str();
  app.add_option("--depth", o->depths, "positions before the decoded ones, a list, at least one")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{0}, kMostTokens))
      ->capture_default_str();
  app.add_option("--batch", o->batches,
                 "sequences decoded together, a list; several stand at the first depth")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->capture_default_str();
  app.add_option("--serve", o->serve,
                 "requests served through the batcher, each of --prefill tokens and --decode more; "
                 "--batch: how many at once")
      ->check(CLI::Range(int64_t{0}, kMostTokens))
      ->capture_default_str();
  app.add_option("--train", o->train,
                 "sequences of --prefill tokens in a step of training; --compute: f32, or auto for "
                 "BF16 products")
      ->check(CLI::Range(int64_t{0}, kMostTokens))
      ->capture_default_str();
  app.add_option("--group", o->group, "requests that share a prompt, with --serve")
      ->check(CLI::Range(int64_t{1}, kMostTokens))
      ->capture_default_str();
  app.add_option("--repeat", o->repeats, "runs of each measurement")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--threads", o->threads, "0: all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app.add_option("--compute", o->compute,
                 "auto: the fast arithmetic of each type; f32: its exact values")
      ->check(CLI::IsMember({"auto", "f32"}))
      ->capture_default_str();
  app.add_option("--kv", o->kv, "type of keys and values")
      ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}))
      ->capture_default_str();
  add_choice(
      app, "--speculate", kSpeculators,
      "also decode with guesses: with lookup text said before, and new text",
      [o](const std::string& v) { return parse_speculate(v, o->speculate, o->draft_model); });
  app.add_option(
         "--held", o->held,
         "with --speculate mtp or draft: also as if this share of guesses were right, a list")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--mla", o->mla, "form of latent attention (DeepSeek)")
      ->check(CLI::IsMember({"absorbed", "plain"}))
      ->capture_default_str();
  app.add_flag("--json", o->json, "print JSON");
  app.add_flag("--machine", o->machine, "measure the machine alone");
  return [o] { return run(*o); };
}

}  // namespace r1
