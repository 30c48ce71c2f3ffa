#include "infer/engine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/clock.h"
#include "base/units.h"
#include "format/hf_config.h"
#include "infer/batcher.h"
#include "infer/draft_head.h"
#include "infer/draft_model.h"
#include "infer/embedding.h"
#include "infer/fit.h"
#include "infer/generation.h"
#include "infer/lookup.h"
#include "infer/memory.h"
#include "infer/prompt.h"
#include "infer/vocab_spec.h"
#include "tensor/context.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

// Between the batcher, who draws tokens, and a listener, who hears text.
class Teller final : public Sink {
 public:
  Teller(Generation generation, std::shared_ptr<Listener> listener, Completion known,
         std::shared_ptr<const ExpertCache> cache)
      : generation_(std::move(generation)),
        listener_(std::move(listener)),
        completion_(std::move(known)),
        cache_(std::move(cache)),
        before_(use()) {}

  std::shared_ptr<const TokenMask> mask(std::span<const int32_t> guessed) override {
    return generation_.mask(guessed);
  }

  Next take(const Sampled& token) override {
    Generation::Step step = generation_.take(token);
    reason_ = step.finished;
    std::vector<int32_t>& ids = completion_.ids;
    ids.resize(ids.size() - static_cast<size_t>(step.drop));
    ids.insert(ids.end(), step.append.begin(), step.append.end());
    tell(std::move(step.piece));
    return {.drop = step.drop, .append = std::move(step.append), .done = step.finished.has_value()};
  }

  void end(const End& end) override {
    if (!reason_) tell(generation_.finish());
    if (end.error) return listener_->end(*end.error);
    completion_.reason = reason_.value_or(FinishReason::kCancelled);
    completion_.stopped_by = generation_.stopped_by();
    completion_.cached_tokens = end.cached_tokens;
    completion_.thought_tokens = generation_.thought_tokens();
    completion_.generated_tokens = generation_.generated_tokens();
    completion_.prefill_seconds = end.prefill_seconds;
    completion_.decode_seconds = end.decode_seconds;
    completion_.drafted_tokens = end.drafted_tokens;
    completion_.accepted_tokens = end.accepted_tokens;
    completion_.plain_seconds = end.plain_seconds;
    const ExpertCache::Use after = use();
    completion_.experts_asked = after.asked - before_.asked;
    completion_.experts_found = after.found - before_.found;
    completion_.expert_bytes_read = after.bytes_read - before_.bytes_read;
    listener_->end(std::move(completion_));
  }

 private:
  ExpertCache::Use use() const { return cache_ ? cache_->use() : ExpertCache::Use{}; }

  void tell(Piece piece) {
    if (piece.thought.empty() && piece.answer.empty() && piece.tokens.empty() &&
        !piece.answer_was_thought) {
      return;
    }
    std::string& thought = completion_.thought;
    if (piece.answer_was_thought) thought = std::exchange(completion_.answer, {});
    thought += piece.thought;
    if (piece.answer_was_thought) {  // as a thought ends that was known for one
      thought.erase(thought.find_last_not_of(" \t\n\v\f\r") + 1);
    }
    completion_.answer += piece.answer;
    piece.thought_tokens = generation_.thought_tokens() - generation_.held_tokens();
    piece.generated_tokens = generation_.generated_tokens() - generation_.held_tokens();
    listener_->hear(std::move(piece));
  }

  Generation generation_;
  std::shared_ptr<Listener> listener_;
  Completion completion_;
  std::shared_ptr<const ExpertCache> cache_;
  ExpertCache::Use before_;
  std::optional<FinishReason> reason_;
};

// A caller who waits on a thread of his own.
class Waiter final : public Listener {
 public:
  void hear(Piece piece) override {
    const std::lock_guard lock(mutex_);
    if (piece.answer_was_thought) {
      piece_.answer_was_thought = true;
      piece_.thought += std::exchange(piece_.answer, {});
    }
    piece_.thought += piece.thought;
    piece_.answer += piece.answer;
    piece_.thought_tokens = piece.thought_tokens;
    piece_.generated_tokens = piece.generated_tokens;
    std::move(piece.tokens.begin(), piece.tokens.end(), std::back_inserter(piece_.tokens));
    fresh_ = true;
    changed_.notify_one();
  }

  void end(Result<Completion> completion) override {
    const std::lock_guard lock(mutex_);
    end_ = std::move(completion);
    changed_.notify_one();
  }

  // All that came since the last call, an empty piece if nothing did for a while; nothing once the
  // end is reached.
  std::optional<Piece> next() {
    constexpr std::chrono::milliseconds kPatience{50};
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [this] { return fresh_ || end_; });
    if (!fresh_ && end_) return std::nullopt;
    fresh_ = false;
    return std::exchange(piece_, {});
  }

  Result<Completion> take_end() { return *std::move(end_); }  // after next() has returned nothing

 private:
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Piece piece_;
  bool fresh_ = false;
  std::optional<Result<Completion>> end_;
};

// A caller who leaves, by an exception too, leaves nothing running.
struct Canceller {
  Batcher& batcher;
  uint64_t number;
  ~Canceller() { batcher.cancel(number); }
};

Result<void> check(const GenerateParams& p) {
  R1_DO(p.sampling.check());
  if (p.max_tokens == 0 || p.max_tokens < -1) {
    return error("max_tokens is {}: it must be -1 (up to the context) or at least 1", p.max_tokens);
  }
  for (size_t i = 0; i < p.stop.size(); ++i) {
    if (p.stop[i].empty()) return error("stop string {} is empty", i);
  }
  if (p.think_budget < -1)
    return error("think_budget is {}: it must be -1 (none) or more", p.think_budget);
  if (p.think_minimum < 0)
    return error("think_minimum is {}: it must be 0 or more", p.think_minimum);
  if (p.think_budget >= 0 && p.think_minimum > p.think_budget) {
    return error("think_minimum is {}, above think_budget {}", p.think_minimum, p.think_budget);
  }
  return {};
}

// Ids that end a turn: the tokenizer's, and generation_config.json's, which for some models knows
// more.
Result<std::vector<int32_t>> find_end_ids(const WeightFile& file, const Tokenizer* tokenizer) {
  std::set<int64_t> ids;
  if (tokenizer) ids.insert(tokenizer->end_ids().begin(), tokenizer->end_ids().end());
  for (const char* key : {"generation_config.eos_token_id", "eos_token_id"}) {
    const MetaValue* value = file.meta(key);
    if (!value) continue;
    if (const auto* list = std::get_if<std::shared_ptr<const MetaArray>>(value)) {
      if (const auto* s = std::get_if<std::vector<int64_t>>(&(*list)->items))
        ids.insert(s->begin(), s->end());
      if (const auto* u = std::get_if<std::vector<uint64_t>>(&(*list)->items)) {
        for (const uint64_t id : *u)
          ids.insert(static_cast<int64_t>(std::min<uint64_t>(id, INT32_MAX)));
      }
    } else {
      R1_TRY(const auto id, file.integer(key));
      ids.insert(*id);
    }
  }
  std::vector<int32_t> result;
  for (const int64_t id : ids) {
    if (id >= 0 && id < INT32_MAX) result.push_back(static_cast<int32_t>(id));
  }
  return result;
}

// generation_config.json's, else R1's recommendation for models that reason, else what people are
// used to.
Result<SamplingParams> find_sampling(const WeightFile& file, bool reasoning) {
  SamplingParams p;
  p.temperature = reasoning ? 0.6f : 0.8f;
  p.top_p = 0.95f;
  const auto given = [&](const char* name) {
    return file.number(std::string("generation_config.") + name);
  };
  R1_TRY(const auto temperature, given("temperature"));
  R1_TRY(const auto top_p, given("top_p"));
  R1_TRY(const auto top_k, given("top_k"));
  R1_TRY(const auto min_p, given("min_p"));
  R1_TRY(const auto repetition, given("repetition_penalty"));
  R1_TRY(const auto do_sample, file.boolean("generation_config.do_sample"));
  if (temperature || top_p || top_k || min_p) {  // what the file leaves out is off
    p.temperature = static_cast<float>(temperature.value_or(1.0));
    p.top_p = static_cast<float>(top_p.value_or(1.0));
    p.top_k = static_cast<int32_t>(std::clamp(top_k.value_or(0.0), -1e9, 1e9));
    p.min_p = static_cast<float>(min_p.value_or(0.0));
  }
  if (do_sample && !*do_sample) p.temperature = 0;
  if (repetition) p.repetition_penalty = static_cast<float>(*repetition);
  if (auto ok = p.check(); !ok) return std::move(ok).error().in("generation_config.json");
  return p;
}

}  // namespace

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kContext:
      return "context";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "";
}

std::string_view name(Think think) {
  return think == Think::kAuto ? "auto" : think == Think::kOn ? "on" : "off";
}

std::optional<Think> parse_think(std::string_view text) {
  for (const Think think : {Think::kAuto, Think::kOn, Think::kOff})
    if (text == name(think)) return think;
  return std::nullopt;
}

struct Engine::Impl {
  std::unique_ptr<Context> ctx;
  std::unique_ptr<Model> model;
  std::optional<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::optional<PromptBuilder> prompts;
  std::vector<int32_t> end_ids;
  SamplingParams recommended;
  Result<Pooling> pooling = Pooling::kMean;  // an error matters to who wants a vector
  ContextPlan plan;
  KvShape kv_shape;
  double load_seconds = 0;
  std::string speculation;                          // who guesses, for people
  uint64_t memory = 0;                              // bytes that this takes
  std::shared_ptr<const ExpertCache> expert_cache;  // null: all experts are in memory
  mutable std::once_flag tree_once;
  mutable std::shared_ptr<const TokenTree> tree;  // once a grammar wants it
  std::unique_ptr<Batcher> batcher;               // last: its worker uses what stands above

  Result<uint64_t> submit(Prompt prompt, const GenerateParams& params,
                          std::shared_ptr<Listener> listener);
  std::optional<Constraint> constraint(const GrammarPtr& grammar) const;

  const Tokenizer* tokenizer_or_null() const { return tokenizer ? &*tokenizer : nullptr; }
  const ChatTemplate* template_or_null() const { return chat_template ? &*chat_template : nullptr; }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::load(const std::string& path,
                                             const EngineOptions& options) {
  const auto start = Clock::now();
  const auto told = [&path](Error e) {
    return std::move(e).in(fmt::format("cannot load {}", path));
  };
  auto impl = std::make_unique<Impl>();
  R1_TRY(impl->ctx, Context::create(options.threads));
  R1_TRY(const WeightFile file, WeightFile::open(path));

  R1_TRY(impl->tokenizer, find_tokenizer(file));
  R1_TRY(const auto source, chat_template_source(file));
  if (source) {
    auto parsed = ChatTemplate::parse(*source);
    if (!parsed) return told(std::move(parsed).error().in("chat template"));
    impl->chat_template = *std::move(parsed);
  }
  const std::string called = std::filesystem::path(path).filename().string();
  impl->prompts.emplace(impl->template_or_null(), impl->tokenizer_or_null(), called);
  R1_TRY(impl->end_ids, find_end_ids(file, impl->tokenizer_or_null()));
  R1_TRY(impl->recommended, find_sampling(file, impl->prompts->reasoning()));

  R1_TRY(const uint64_t memory, options.memory > 0 ? options.memory : available_memory());
  FitMachine machine{.memory = memory,
                     .isa = impl->ctx->isa(),
                     .compute = options.compute,
                     .kv_dtype = options.kv_dtype,
                     .mtp = options.speculate == Speculate::kMtp};
  if (options.speculate == Speculate::kDraft) {
    R1_TRY(const WeightFile small, WeightFile::open(options.draft_model));
    auto added = add_draft(small, machine);
    if (!added)
      return std::move(added).error().in(fmt::format("cannot draft with {}", options.draft_model));
  }
  const StreamedFit streamed = fit_streamed(file, machine, options.context);
  impl->expert_cache = streamed.cache;
  // Said before gigabytes are packed; the reckoning is a few per cent off where it is off at all.
  if (!streamed.cache && streamed.weights > memory + memory / 10)
    return told(error("the weights take {}, the memory for them is {}: r1 fit says what would fit",
                      format_bytes(streamed.weights), format_bytes(memory)));
  LoadOptions load{.compute = options.compute,
                   .progress = options.progress,
                   .mtp = options.speculate == Speculate::kMtp,
                   .expert_cache = streamed.cache};
  if (!options.adapter.empty()) {
    R1_TRY(load.lora, read_adapter(options.adapter, file));
  }
  auto model = Model::load(file, load, *impl->ctx);
  if (!model) return told(std::move(model).error());
  impl->model = *std::move(model);
  if (options.speculate == Speculate::kMtp && !impl->model->drafts()) {
    return told(
        error("it has no multi-token prediction layer to speculate with: --speculate lookup works "
              "for every model"));
  }
  std::unique_ptr<Model> draft;
  if (options.speculate == Speculate::kDraft) {
    R1_TRY(draft, load_draft(options.draft_model, options.compute, *impl->model,
                             impl->tokenizer_or_null(), *impl->ctx));
  }

  const Config& config = impl->model->config();
  impl->pooling = find_pooling(file, config.architecture);
  impl->kv_shape = impl->model->kv_shape(options.kv_dtype);
  uint64_t free;
  if (options.memory == 0) {
    R1_TRY(free, available_memory());
  } else {
    const uint64_t weights = impl->model->weight_bytes() + (draft ? draft->weight_bytes() : 0);
    if (weights >= options.memory) {
      return told(error("the weights take {}, --memory allows {}", format_bytes(weights),
                        format_bytes(options.memory)));
    }
    free = options.memory - weights;
  }
  if (streamed.cache) free -= std::min(free, streamed.cache->budget());
  const KvShape draft_shape = draft ? draft->kv_shape(options.kv_dtype) : KvShape{};
  auto plan =
      plan_context(free, impl->kv_shape.bytes_per_token() + draft_shape.bytes_per_token(),
                   config.context_length, streamed.cache ? streamed.context : options.context);
  if (!plan) return told(std::move(plan).error());
  impl->plan = *plan;
  R1_TRY(auto pages, KvPages::create(impl->kv_shape, plan->pages));
  const uint64_t per_token = impl->kv_shape.bytes_per_token() + draft_shape.bytes_per_token();
  impl->memory = impl->model->weight_bytes() + (draft ? draft->weight_bytes() : 0) +
                 (streamed.cache ? streamed.cache->budget() : 0) +
                 static_cast<uint64_t>(plan->pages) * kKvPage * per_token;

  auto vocab = static_cast<int32_t>(config.vocab_size);
  if (impl->tokenizer) vocab = std::min(vocab, impl->tokenizer->size());
  std::unique_ptr<Speculator> speculator;
  if (options.speculate == Speculate::kLookup) {
    speculator = std::make_unique<Lookup>();
    impl->speculation = "lookup";
  } else if (options.speculate == Speculate::kMtp) {
    speculator = std::make_unique<DraftHead>(*impl->model, *impl->ctx, vocab);
    impl->speculation = "mtp";
  } else if (draft) {
    impl->speculation =
        fmt::format("{} of {}", options.draft_model, format_bytes(draft->weight_bytes()));
    R1_TRY(auto draft_pages, KvPages::create(draft_shape, plan->pages));
    const auto both = static_cast<int32_t>(std::min<int64_t>(vocab, draft->config().vocab_size));
    speculator =
        std::make_unique<DraftModel>(std::move(draft), *impl->ctx, std::move(draft_pages), both);
  }
  impl->batcher = std::make_unique<Batcher>(*impl->model, *impl->ctx, std::move(pages),
                                            BatcherOptions{.context = plan->context,
                                                           .vocab = vocab,
                                                           .max_waiting = options.max_waiting,
                                                           .longest_draft = options.longest_draft},
                                            std::move(speculator));
  impl->load_seconds = seconds_since(start);
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

const Model& Engine::model() const { return *impl_->model; }
const Tokenizer* Engine::tokenizer() const { return impl_->tokenizer_or_null(); }
const ChatTemplate* Engine::chat_template() const { return impl_->template_or_null(); }
bool Engine::reasoning() const { return impl_->prompts->reasoning(); }
bool Engine::takes_tools() const { return impl_->prompts->takes_tools(); }
int64_t Engine::context() const { return impl_->plan.context; }
SamplingParams Engine::recommended_sampling() const { return impl_->recommended; }

uint64_t Engine::memory() const { return impl_->memory; }

std::string Engine::startup_line() const {
  const int64_t own = impl_->model->config().context_length;
  const auto kv_bytes = static_cast<uint64_t>(context()) * impl_->kv_shape.bytes_per_token();
  const ExpertCache* cache = impl_->expert_cache.get();
  const std::string experts =
      cache ? fmt::format(" resident, experts in the file {} with {} of memory",
                          format_bytes(cache->stored()), format_bytes(cache->budget()))
            : "";
  return fmt::format("CPU {} · {} threads · weights {}{} · context {} tokens{} ({} KV {})",
                     name(impl_->ctx->isa()), impl_->ctx->n_threads(),
                     format_bytes(impl_->model->weight_bytes()), experts, context(),
                     context() < own ? fmt::format(" of the model's {}", own) : "",
                     info(impl_->kv_shape.dtype).name, format_bytes(kv_bytes)) +
         (impl_->speculation.empty() ? "" : " · speculation: " + impl_->speculation);
}

Result<std::string> Engine::render(const nlohmann::ordered_json& messages, Think think,
                                   const nlohmann::ordered_json* tools) const {
  R1_TRY(auto text, impl_->prompts->render(messages, think, tools));
  return readable(std::move(text));
}

Result<std::vector<int32_t>> Engine::tokenize_prompt(const nlohmann::ordered_json& messages,
                                                     Think think,
                                                     const nlohmann::ordered_json* tools) const {
  R1_TRY(const auto text, impl_->prompts->render(messages, think, tools));
  return impl_->prompts->encode(text);
}

Result<Completion> Engine::chat(const nlohmann::ordered_json& messages, Think think,
                                const GenerateParams& params, const OnPiece& on_piece) {
  R1_TRY(const auto text, impl_->prompts->render(messages, think, nullptr));
  return complete(impl_->prompts->encode(text), text, params, on_piece);
}

Result<Prompt> Engine::prompt(const nlohmann::ordered_json& messages, Think think,
                              const nlohmann::ordered_json* tools, const Begun* begun) const {
  R1_TRY(auto text, impl_->prompts->render(messages, think, tools));
  Prompt prompt{.ids = {},
                .thinking = PromptBuilder::thinking(text, begun),
                .may_think = impl_->prompts->may_think(text, begun)};
  if (begun) {
    R1_TRY(text, impl_->prompts->continued(std::move(text), *begun));
  }
  prompt.ids = impl_->prompts->encode(text);
  return prompt;
}

Result<Prompt> Engine::prompt(std::string_view text) const {
  if (!tokenizer()) return error("the model has no tokenizer: it works on token ids only");
  Prompt prompt{.ids = tokenizer()->encode(text, true)};
  const std::optional<int32_t> bos = tokenizer()->bos();
  if (bos && tokenizer()->add_bos() && (prompt.ids.empty() || prompt.ids[0] != *bos))
    prompt.ids.insert(prompt.ids.begin(), *bos);
  return prompt;
}

// An answer to a grammar says text and may open a thought; it closes none.
std::optional<Constraint> Engine::Impl::constraint(const GrammarPtr& grammar) const {
  if (!grammar || !tokenizer) return std::nullopt;
  std::call_once(tree_once, [this] {
    tree = std::make_shared<TokenTree>(tokenizer->size(), [this](int32_t id) -> std::string_view {
      const TokenKind kind = tokenizer->kind(id);
      const std::string_view bytes = tokenizer->bytes(id);
      if (bytes == kOpenThought) return bytes;
      const bool text = kind == TokenKind::kNormal || kind == TokenKind::kByte ||
                        (kind == TokenKind::kUserDefined && bytes != kCloseThought);
      return text ? bytes : "";
    });
  });
  return Constraint(grammar, tree, end_ids);
}

Result<uint64_t> Engine::Impl::submit(Prompt prompt, const GenerateParams& params,
                                      std::shared_ptr<Listener> listener) {
  R1_DO(check(params));
  const int64_t n = std::ssize(prompt.ids);
  Completion known;
  known.prompt_tokens = n;
  known.load_seconds = load_seconds;
  return batcher->submit(
      {.prompt = std::move(prompt.ids),
       .sampling = params.sampling,
       .n_top = params.top_logprobs,
       .sink = std::make_shared<Teller>(
           Generation(tokenizer_or_null(), prompt.thinking ? kOpenThought : "", params,
                      plan.context - n, end_ids, constraint(params.grammar), prompt.may_think),
           std::move(listener), std::move(known), expert_cache),
       .owner = params.owner,
       .masked = params.grammar != nullptr});
}

Result<uint64_t> Engine::submit(Prompt prompt, const GenerateParams& params,
                                std::shared_ptr<Listener> listener) {
  return impl_->submit(std::move(prompt), params, std::move(listener));
}

Result<uint64_t> Engine::embed(Prompt prompt, std::string owner,
                               std::function<void(Result<Embedding>)> tell) {
  R1_TRY(const Pooling pooling, Result<Pooling>(impl_->pooling));
  return impl_->batcher->submit({.prompt = std::move(prompt.ids),
                                 .sampling = {},
                                 .sink = std::make_shared<Embedder>(pooling, std::move(tell)),
                                 .owner = std::move(owner),
                                 .hidden = true});
}

int64_t Engine::embedding_dim() const { return impl_->model->config().dim; }

void Engine::cancel(uint64_t number) { impl_->batcher->cancel(number); }

Engine::Load Engine::load() const {
  const Batcher::Load load = impl_->batcher->load();
  const PageCache::Usage& pages = load.pages;
  return {.running = load.running,
          .waiting = load.waiting,
          .preemptions = load.preemptions,
          .steps = load.steps,
          .pages_used = pages.used,
          .pages = int64_t{pages.free} + pages.used + pages.idle};
}

Result<Completion> Engine::complete(std::vector<int32_t> prompt, std::string_view rendered,
                                    const GenerateParams& params, const OnPiece& on_piece) {
  const auto waiter = std::make_shared<Waiter>();
  Prompt whole{.ids = std::move(prompt),
               .thinking = PromptBuilder::thinking(rendered, nullptr),
               .may_think = impl_->prompts->may_think(rendered, nullptr)};
  R1_TRY(const uint64_t number, impl_->submit(std::move(whole), params, waiter));
  const Canceller canceller{*impl_->batcher, number};
  bool wanted = true;
  while (const auto piece = waiter->next()) {
    if (wanted && on_piece && !on_piece(*piece)) {
      wanted = false;
      impl_->batcher->cancel(number);
    }
  }
  return waiter->take_end();
}

}  // namespace r1
