#include "serve/answer.h"

#include <chrono>
#include <filesystem>

#include "base/clock.h"
#include "base/rng.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

class Answer final : public std::enable_shared_from_this<Answer> {
 public:
  Answer(App& app, Ask ask, const ShelfItem& item, Lease model, std::unique_ptr<Voice> voice,
         Refuse words, std::shared_ptr<Reply> reply)
      : app_(app),
        ask_(std::move(ask)),
        item_(item),
        model_(std::move(model)),
        voice_(std::move(voice)),
        words_(words),
        reply_(std::move(reply)) {}

  void start() {
    if (app_.traces && app_.traces->full()) {
      app_.metrics.refused(503);
      return refuse(*reply_,
                    {.status = 503,
                     .message = "traces are to be kept, and cannot be written now",
                     .retry_after = 10},
                    words_);
    }
    GenerateParams params = ask_.params;
    const ToolFormat* format = nullptr;
    if (const auto problem = offer_tools(params, format)) return refuse(*reply_, *problem, words_);
    std::vector<Prompt> prompts;
    if (const auto problem = read_prompts(prompts)) return refuse(*reply_, *problem, words_);
    const size_t n = prompts.size() * static_cast<size_t>(ask_.n);
    all_.resize(n);
    if (format) calls_.assign(n, CallReader(*format, ask_.tools));
    if (const auto problem = admission_.take(n)) return refuse(*reply_, *problem, words_);
    params.sampling = ask_.sampling.over(model_->defaults());
    params.owner = ask_.key;
    // A random one has 53 bits, so that JavaScript can say it again.
    const uint64_t seed = ask_.sampling.seed.value_or(fresh_number() >> 11);
    const auto asked = app_.traces ? tell_asked() : nullptr;
    open_ = n;
    for (size_t i = 0; i < n; ++i) {
      const size_t prompt = i / static_cast<size_t>(ask_.n);
      params.sampling.seed = seed + i % static_cast<size_t>(ask_.n);
      const auto ear = std::make_shared<Ear>(shared_from_this(), i);
      if (asked) ear->keep(trace(asked, i, prompts[prompt], params));
      auto number = model_->submit(prompts[prompt], params, ear);
      if (!number) {
        stop();
        open_ = 0;
        return refuse(*reply_, {.message = number.error().message}, words_);
      }
      numbers_.push_back(*number);
    }
    reply_->on_gone([self = shared_from_this()] { self->stop(); });
    if (!ask_.stream) return;
    reply_->begin(200, voice_->stream_type(), voice_->heartbeat());
    reply_->write(voice_->begin(prompt_tokens_));
  }

 private:
  // Hears of one choice in the engine's thread and passes it on to the strand.
  class Ear final : public Listener {
   public:
    Ear(std::shared_ptr<Answer> answer, size_t choice)
        : answer_(std::move(answer)), choice_(choice) {}

    void keep(AnswerTrace trace) { trace_ = std::move(trace); }

    void hear(Piece piece) override {
      if (trace_ && trace_->first_seconds == 0)
        trace_->first_seconds = seconds_since(answer_->began_);
      auto box = std::make_shared<Piece>(std::move(piece));
      answer_->reply_->post([a = answer_, c = choice_, box] { a->heard(c, std::move(*box)); });
    }
    void end(Result<Completion> completion) override {
      auto box = std::make_shared<Result<Completion>>(std::move(completion));
      auto tell = [a = answer_, c = choice_, box] {
        a->reply_->post([a, c, box] { a->ended(c, std::move(*box)); });
      };
      if (!trace_) return tell();
      trace_->failed = !*box;
      if (*box) trace_->completion = **box;
      trace_->seconds = seconds_since(answer_->began_);
      answer_->app_.traces->add(*std::exchange(trace_, std::nullopt), std::move(tell));
    }

   private:
    std::shared_ptr<Answer> answer_;
    size_t choice_;
    std::optional<AnswerTrace> trace_;  // kept first; then the client is told of the end
  };

  // What the traces of all choices have in common.
  std::shared_ptr<const nlohmann::ordered_json> tell_asked() const {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const ShelfItem* whose = app_.shelf.weights(item_);
    const std::string& file = (whose ? *whose : item_).path;
    nlohmann::ordered_json engine = model_->settings();
    if (const std::string adapter = engine.value("adapter", ""); !adapter.empty())
      engine["adapter_sha256"] = app_.traces->hash_of(adapter);
    auto json = std::make_shared<nlohmann::ordered_json>(nlohmann::ordered_json{
        {"time", std::chrono::duration_cast<std::chrono::milliseconds>(now).count()},
        {"key", ask_.key},
        {"user", ask_.user},
        {"path", ask_.path},
        {"model",
         {{"name", item_.name},
          {"file", std::filesystem::absolute(file).lexically_normal().string()},
          {"sha256", app_.traces->hash_of(file)}}},
        {"engine", std::move(engine)}});
    if (!ask_.messages.is_null()) {
      (*json)["messages"] = ask_.messages;
      (*json)["think"] = name(ask_.think);
      if (ask_.tools.offered()) (*json)["tools"] = ask_.tools.list;
      if (ask_.begun)
        (*json)["begun"] = {{"thought", ask_.begun->thought}, {"answer", ask_.begun->answer}};
    }
    return json;
  }

  AnswerTrace trace(std::shared_ptr<const nlohmann::ordered_json> asked, size_t i,
                    const Prompt& prompt, const GenerateParams& params) const {
    const size_t text = i / static_cast<size_t>(ask_.n);
    if (text < ask_.texts.size()) {
      auto json = std::make_shared<nlohmann::ordered_json>(*asked);
      const auto* words = std::get_if<std::string>(&ask_.texts[text]);
      (*json)["prompt"] = words ? nlohmann::ordered_json(*words) : nlohmann::ordered_json();
      asked = std::move(json);
    }
    return {.asked = std::move(asked),
            .choice = static_cast<int>(i),
            .prompt = std::make_shared<Prompt>(prompt),
            .params = params,
            .completion = {}};
  }

  std::optional<Problem> read_prompts(std::vector<Prompt>& prompts) {
    const auto add = [&](Result<Prompt> prompt) -> std::optional<Problem> {
      if (!prompt) return Problem{.message = prompt.error().message, .param = "messages"};
      const int64_t n = std::ssize(prompt->ids);
      if (n == 0) return Problem{.message = "the prompt is empty", .param = "prompt"};
      if (n >= model_->context()) {
        return Problem{
            .message = fmt::format("the prompt has {} tokens, the context holds {}: shorten "
                                   "it, or start the server with a larger --context",
                                   n, model_->context()),
            .param = "messages",
            .code = "context_length_exceeded"};
      }
      for (const int32_t id : prompt->ids) {
        if (id >= 0 && id < model_->vocab()) continue;
        return Problem{.message = fmt::format("the prompt holds token {}: ids are 0 to {}", id,
                                              model_->vocab() - 1),
                       .param = "prompt"};
      }
      prompt_tokens_ += n;
      prompts.push_back(*std::move(prompt));
      return std::nullopt;
    };
    for (const auto& [id, bias] : ask_.sampling.logit_bias) {
      if (id >= 0 && id < model_->vocab()) continue;
      return Problem{.message = fmt::format("logit_bias {}: the model's ids are 0 to {}", id,
                                            model_->vocab() - 1),
                     .param = "logit_bias"};
    }
    if (!ask_.messages.is_null())
      return add(model_->prompt(ask_.messages, ask_.think,
                                ask_.tools.offered() ? &ask_.tools.list : nullptr,
                                ask_.begun ? &*ask_.begun : nullptr));
    for (const Text& text : ask_.texts) {
      auto problem = std::holds_alternative<std::string>(text)
                         ? add(model_->prompt(std::get<std::string>(text)))
                         : add(Prompt{.ids = std::get<std::vector<int32_t>>(text)});
      if (problem) return problem;
    }
    return std::nullopt;
  }

  // Calls that are wished for or may take the place of an answer in JSON are part of the grammar.
  std::optional<Problem> offer_tools(GenerateParams& params, const ToolFormat*& format) const {
    if (!ask_.tools.offered()) return std::nullopt;
    format = ToolFormat::of(model_->chat_template());
    if (!format || !model_->takes_tools())
      return Problem{.message = fmt::format("'{}' does not support tools: its chat template has "
                                            "no place for them",
                                            ask_.model),
                     .param = "tools"};
    const bool must = ask_.tools.wish == Tools::Wish::kMust;
    if (!must && !params.grammar) return std::nullopt;
    if (!must && ask_.schema.is_null())
      return Problem{.message = "a grammar of the answer leaves no room for tools",
                     .param = "tools"};
    auto frames = call_frames(*format, ask_.tools);
    if (!must) frames.push_back({{"before", ""}, {"schema", ask_.schema}, {"after", ""}});
    auto grammar = make_grammar({{"any_of", std::move(frames)}});
    if (!grammar) return Problem{.message = grammar.error().message, .param = "tools"};
    params.grammar = *std::move(grammar);
    return std::nullopt;
  }

  void stop() {
    for (const uint64_t number : numbers_) model_->cancel(number);
  }

  void heard(size_t choice, Piece piece) {
    if (open_ == 0) return;
    count(choice, piece.generated_tokens);
    if (first_) app_.metrics.first_token(seconds_since(began_));
    first_ = false;
    if (!calls_.empty()) {
      if (piece.answer_was_thought) {
        all_[choice].completion.answer.clear();
        (void)calls_[choice].finish();
      }
      auto said = calls_[choice].feed(piece.answer);
      piece.answer = std::move(said.text);
      say(choice, piece, std::move(said.calls));
    } else if (ask_.stream) {
      reply_->write(voice_->piece(choice, piece));
    }
    auto& tokens = all_[choice].tokens;
    std::move(piece.tokens.begin(), piece.tokens.end(), std::back_inserter(tokens));
  }

  // A piece from which calls were taken, and these.
  void say(size_t choice, const Piece& piece, std::vector<ToolCall> calls) {
    Voice::Said& all = all_[choice];
    all.completion.answer += piece.answer;
    const bool silent = piece.thought.empty() && piece.answer.empty() && piece.tokens.empty();
    if (ask_.stream && !silent) reply_->write(voice_->piece(choice, piece));
    for (ToolCall& call : calls) {
      if (ask_.stream) reply_->write(voice_->call(choice, all.calls.size(), call));
      all.calls.push_back(std::move(call));
    }
  }

  void ended(size_t choice, Result<Completion> completion) {
    if (open_ == 0) return;
    if (!completion) {
      open_ = 0;
      stop();
      app_.metrics.refused(500);
      app_.metrics.failed(completion.error().message);
      const Problem problem{.status = 500, .message = "the model failed to answer"};
      if (!ask_.stream) return refuse(*reply_, problem, words_);
      reply_->write(voice_->problem(problem));
      return reply_->finish();
    }
    count(choice, completion->generated_tokens);
    all_[choice].nanos = charge(choice, *completion);
    app_.metrics.answered(*completion, seconds_since(began_), all_[choice].nanos);
    if (!calls_.empty()) {
      auto said = calls_[choice].finish();
      Piece piece;
      piece.answer = std::move(said.text);
      say(choice, piece, std::move(said.calls));
      completion->answer = std::move(all_[choice].completion.answer);
    }
    all_[choice].completion = *std::move(completion);
    if (ask_.stream) reply_->write(voice_->ended(choice, all_[choice]));
    if (--open_ > 0) return;
    if (!ask_.stream) return reply_->send(200, "application/json", voice_->whole(all_));
    reply_->write(voice_->finish(all_));
    reply_->finish();
  }

  // Tokens are counted while they come, so that the rate of the engine can be seen.
  void count(size_t choice, int64_t generated) {
    int64_t& before = all_[choice].completion.generated_tokens;
    app_.metrics.generated(std::max<int64_t>(generated - before, 0));
    before = generated;
  }

  // Of the choices of one prompt the first pays for the prompt.
  int64_t charge(size_t choice, const Completion& c) {
    Usage usage{.requests = choice == 0,
                .thought_tokens = c.thought_tokens,
                .generated_tokens = c.generated_tokens};
    if (choice % static_cast<size_t>(ask_.n) == 0) {
      usage.prompt_tokens = c.prompt_tokens;
      usage.cached_tokens = c.cached_tokens;
    }
    return app_.accounts.charge(ask_.key, item_.name, usage, unix_seconds());
  }

  App& app_;
  Ask ask_;
  const ShelfItem& item_;
  Lease model_;
  std::unique_ptr<Voice> voice_;
  Refuse words_;
  std::shared_ptr<Reply> reply_;
  std::vector<Voice::Said> all_;
  std::vector<CallReader> calls_;  // of each choice, where tools are offered
  std::vector<uint64_t> numbers_;
  size_t open_ = 0;  // choices still being generated
  int64_t prompt_tokens_ = 0;
  bool first_ = true;
  const Clock::time_point began_ = Clock::now();
  Admission admission_{app_, ask_.key};  // last: given back first
};

}  // namespace

SamplingParams SamplingWish::over(SamplingParams own) const {
  const auto lay = [](auto& to, const auto& from) {
    if (from) to = *from;
  };
  lay(own.temperature, temperature);
  lay(own.top_p, top_p);
  lay(own.min_p, min_p);
  lay(own.repetition_penalty, repetition);
  lay(own.presence_penalty, presence);
  lay(own.frequency_penalty, frequency);
  lay(own.top_k, top_k);
  lay(own.penalty_last_n, last_n);
  own.logit_bias = logit_bias;
  return own;
}

void refuse(Reply& reply, const Problem& problem, Refuse words) {
  const Refusal refusal = words(problem);
  Headers headers;
  if (problem.retry_after > 0)
    headers.emplace_back("Retry-After", std::to_string(problem.retry_after));
  if (refusal.status == 401) headers.emplace_back("WWW-Authenticate", "Bearer");
  reply.send(refusal.status, "application/json", refusal.body, headers);
}

Admission::~Admission() {
  if (n_ > 0) app_.places.give_back(key_, n_);
}

std::optional<Problem> Admission::take(size_t n) {
  auto problem = app_.places.take(key_, static_cast<int64_t>(n));
  if (problem)
    app_.metrics.refused(problem->status);
  else
    n_ = static_cast<int64_t>(n);
  return problem;
}

void with_model(App& app, const std::string& name, std::optional<double> keep_alive, Refuse words,
                std::shared_ptr<Reply> reply, std::function<void(const ShelfItem&, Lease)> ready) {
  const ShelfItem* item = app.shelf.find(name);
  if (!item) {
    return refuse(
        *reply,
        {.status = 404,
         .message = fmt::format("model '{}' not found: /v1/models lists those there are", name),
         .param = "model",
         .code = "model_not_found"},
        words);
  }
  app.shelf.open(
      *item, keep_alive, [&app, item, words, reply, ready = std::move(ready)](Result<Lease> model) {
        if (!model) {
          app.metrics.refused(503);
          return reply->post([words, reply, message = model.error().message] {
            refuse(*reply, {.status = 503, .message = message, .retry_after = 10}, words);
          });
        }
        reply->post([item, ready, lease = *std::move(model)] { ready(*item, lease); });
      });
}

void answer(App& app, const HttpRequest& request, Ask ask, MakeVoice voice, Refuse words,
            std::shared_ptr<Reply> reply) {
  ask.key = request.key;
  ask.path = request.path;
  const std::string name = ask.model;
  const auto keep_alive = ask.keep_alive;
  with_model(app, name, keep_alive, words, reply,
             [&app, ask = std::make_shared<Ask>(std::move(ask)), voice = std::move(voice), words,
              reply](const ShelfItem& item, Lease lease) {
               if (item.made) apply(*item.made, *ask);
               std::make_shared<Answer>(app, std::move(*ask), item, lease, voice(lease), words,
                                        reply)
                   ->start();
             });
}

std::string fresh_id(std::string_view prefix) {
  return fmt::format("{}{:016x}", prefix, fresh_number());
}

int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace r1
