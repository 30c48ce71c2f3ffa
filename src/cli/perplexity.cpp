// r1 perplexity MODEL FILE: how well a model predicts a text. Windows of `--window` tokens without
// overlap and without a begin-of-text token, the last partial one dropped; the second half of each
// window, but for its first token, is scored (255 of 512); perplexity = exp(mean negative
// log-likelihood).
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/evaluation.h"
#include "infer/vocab_spec.h"

namespace r1 {

const char* const perplexity_examples =
    "Examples:\n"
    "  r1 perplexity model.gguf wiki.txt\n"
    "  r1 perplexity model.gguf wiki.txt --compute f32 --json\n"
    "\n"
    "Windows of --window tokens do not overlap and get no begin-of-text token; the last partial "
    "one is dropped. Of a\n"
    "window of n, tokens n/2 + 1 to n - 1 (counted from 0) are scored, each given all before it in "
    "the window.\n";

namespace {

constexpr uint64_t kTextLimit = uint64_t{1} << 30;

struct Options {
  EvaluationOptions model;
  std::string text;
  int64_t window = 512;
  bool json = false;
};

struct Score {
  double nll = 0;  // sum
  int64_t scored = 0, windows = 0;
  double seconds = 0;
  double perplexity() const { return std::exp(nll / static_cast<double>(scored)); }
};

// -log softmax(logits)[id].
double negative_log_likelihood(std::span<const float> logits, int32_t id) {
  const float top = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x - top));
  return top + std::log(sum) - logits[static_cast<size_t>(id)];
}

Result<Score> score(const Model& model, Context& ctx, std::span<const int32_t> ids,
                    const Options& o) {
  const auto window = static_cast<size_t>(o.window);
  std::vector<int32_t> pages((window + kKvPage - 1) / kKvPage);
  std::iota(pages.begin(), pages.end(), 0);
  R1_TRY(KvPages kv,
         KvPages::create(model.kv_shape(o.model.kv_dtype()), static_cast<int32_t>(pages.size())));
  Batch batch;
  batch.parts = {{0, static_cast<int32_t>(window), 0, pages}};
  for (size_t t = window / 2; t + 1 < window; ++t) batch.wanted.push_back(static_cast<int32_t>(t));

  Score score;
  Progress bar("windows", ids.size() / window, ProgressUnit::kCount);
  const auto start = std::chrono::steady_clock::now();
  std::vector<double> nll(batch.wanted.size());
  for (; ids.size() >= window; ids = ids.subspan(window)) {
    batch.tokens.assign(ids.begin(), ids.begin() + o.window);
    const Tensor logits = model.forward(ctx, batch, kv);
    ctx.parallel(std::ssize(nll), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto next = static_cast<size_t>(batch.wanted[static_cast<size_t>(i)]) + 1;
        nll[static_cast<size_t>(i)] = negative_log_likelihood(logits.row(i), ids[next]);
      }
    });
    score.nll = std::accumulate(nll.begin(), nll.end(), score.nll);
    score.scored += std::ssize(nll);
    bar.update(static_cast<uint64_t>(++score.windows));
  }
  bar.finish();
  score.seconds = seconds_since(start);
  return score;
}

Result<void> run(const Options& o) {
  R1_TRY(const std::string text, read_file(o.text, kTextLimit));
  R1_TRY(const WeightFile file, WeightFile::open(o.model.model));
  R1_TRY(const Tokenizer tokenizer, load_tokenizer(file));
  const std::vector<int32_t> ids = tokenizer.encode(text, false);
  if (std::ssize(ids) < o.window) {
    return error("{}: {} tokens, less than one window of {}", o.text, ids.size(), o.window);
  }
  R1_TRY(const auto ctx, Context::create(o.model.threads));
  R1_TRY(const auto model, load_model(file, o.model, *ctx));
  const Config& c = model->config();
  if (o.window > c.context_length)
    return error("--window {}: the context is {}", o.window, c.context_length);
  if (const int32_t most = *std::ranges::max_element(ids); most >= c.vocab_size) {
    return error("the tokenizer gives token {}, the model has {}", most, c.vocab_size);
  }
  R1_TRY(const Score s, score(*model, *ctx, ids, o));
  const double speed = static_cast<double>(s.windows * o.window) / s.seconds;
  if (o.json) {
    const nlohmann::ordered_json json = {
        {"perplexity", s.perplexity()}, {"mean_nll", s.nll / static_cast<double>(s.scored)},
        {"tokens", ids.size()},         {"window", o.window},
        {"windows", s.windows},         {"scored", s.scored},
        {"tokens_per_second", speed}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("perplexity {:.4f}  ({} tokens scored in {} windows of {}; {:.0f} tokens/s)\n",
               s.perplexity(), s.scored, s.windows, o.window, speed);
  }
  return {};
}

}  // namespace

Run declare_perplexity(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  add_evaluation_options(app, o->model);
  app.add_option("FILE", o->text, "the text, UTF-8")->required();
  app.add_option("--window", o->window, "tokens of a window")
      ->check(CLI::Range(4, 1 << 20))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--json", o->json, "print one JSON object");
  return [o] { return run(*o); };
}

}  // namespace r1
