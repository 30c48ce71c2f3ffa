#include "eval/harness.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/rng.h"
#include "infer/prompt.h"
#include "infer/rollout.h"

namespace r1 {

uint64_t answer_seed(uint64_t seed, uint64_t item, uint64_t sample) {
  const auto half = [](uint64_t x, int i) { return static_cast<uint32_t>(x >> 32 * i); };
  const auto drawn = philox4x32({half(item, 0), half(item, 1), half(sample, 0), half(sample, 1)},
                                {half(seed, 0), half(seed, 1)});
  return uint64_t{drawn[1]} << 32 | drawn[0];
}

Result<EvalResult> evaluate(const Examinee& examinee, const Benchmark& benchmark,
                            std::span<const Item> items, const EvalOptions& options) {
  const Config& config = examinee.model.config();
  const auto ends = examinee.tokenizer.end_ids();
  if (ends.empty()) return error("{}: its tokenizer names no end token", examinee.name);
  const PromptBuilder builder(examinee.chat_template, &examinee.tokenizer, examinee.name);
  std::vector<RolloutPrompt> prompts;
  for (size_t i = 0; i < items.size(); ++i) {
    std::string question = items[i].question;
    if (!options.prompt.empty()) {
      R1_TRY(question, fill_prompt(options.prompt, items[i]));
    }
    R1_TRY(const std::string rendered,
           builder.render({{{"role", "user"}, {"content", question}}}, Think::kAuto, nullptr));
    RolloutPrompt& prompt = prompts.emplace_back();
    prompt.ids = builder.encode(rendered);
    const int64_t room = config.context_length - std::ssize(prompt.ids);
    if (room < options.max_tokens)
      return error(
          "problem {}: its prompt has {} tokens, the context {}: at most {} for an answer, "
          "not {}",
          i + 1, prompt.ids.size(), config.context_length, std::max<int64_t>(0, room),
          options.max_tokens);
    for (int64_t k = 0; k < options.samples; ++k)
      prompt.seeds.push_back(answer_seed(options.seed, i, static_cast<uint64_t>(k)));
  }

  RolloutOptions rollout;
  rollout.max_tokens = options.max_tokens;
  rollout.max_running = options.running;
  rollout.temperature = options.temperature;
  rollout.top_p = options.top_p;
  rollout.top_k = options.top_k;
  rollout.vocab =
      static_cast<int32_t>(std::min<int64_t>(examinee.tokenizer.size(), config.vocab_size));
  rollout.ends.assign(ends.begin(), ends.end());
  rollout.kv_dtype = options.kv_dtype;
  rollout.progress = options.progress;
  const auto start = std::chrono::steady_clock::now();
  R1_TRY(const auto drawn, roll_out(examinee.model, examinee.ctx, rollout, prompts));

  EvalResult result;
  result.seconds = seconds_since(start);
  std::vector<Graded> graded;
  for (size_t i = 0; i < drawn.size(); ++i) {
    EvalAnswer answer;
    answer.item = i / static_cast<size_t>(options.samples);
    answer.sample = static_cast<int64_t>(i % static_cast<size_t>(options.samples));
    auto ids = drawn[i].answer();
    const auto n = std::ssize(ids);
    if (!drawn[i].capped) ids = ids.first(ids.size() - 1);  // without its end token
    answer.completion = examinee.tokenizer.decode(ids);
    answer.graded = benchmark.grade(items[answer.item], answer.completion);
    answer.graded.tokens = n;
    answer.graded.capped = drawn[i].capped;
    result.generated_tokens += n;
    graded.push_back(answer.graded);
    result.answers.push_back(std::move(answer));
  }
  result.score = score(graded, options.samples);
  return result;
}

}  // namespace r1
