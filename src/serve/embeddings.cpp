// Embeddings as OpenAI and Ollama give them.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>

#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr size_t kMostTexts = 2048;

std::string base64(const std::vector<float>& values) {
  static_assert(std::endian::native == std::endian::little);
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j)
      text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

// All texts of one request, and their vectors as they come; on the reply's strand.
class Embeddings final : public std::enable_shared_from_this<Embeddings> {
 public:
  Embeddings(App& app, EmbedAsk ask, const ShelfItem& item, Lease model, Refuse words,
             std::shared_ptr<Reply> reply)
      : app_(app),
        ask_(std::move(ask)),
        item_(item),
        model_(std::move(model)),
        words_(words),
        reply_(std::move(reply)) {}

  void start() {
    std::vector<Prompt> prompts;
    for (const Text& text : ask_.texts) {
      auto prompt = read(text);
      if (const auto* problem = std::get_if<Problem>(&prompt))
        return refuse(*reply_, *problem, words_);
      prompts.push_back(std::get<Prompt>(std::move(prompt)));
    }
    if (ask_.dimensions && *ask_.dimensions > model_->embedding_dim())
      return refuse(*reply_,
                    {.message = fmt::format("dimensions is {}: the model has {}", *ask_.dimensions,
                                            model_->embedding_dim()),
                     .param = "dimensions"},
                    words_);
    // Of one request more texts than there are places wait in the engine.
    const auto places = std::min(prompts.size(), static_cast<size_t>(app_.places.most()));
    if (const auto problem = admission_.take(places)) return refuse(*reply_, *problem, words_);
    all_.resize(prompts.size());
    open_ = prompts.size();
    for (size_t i = 0; i < prompts.size(); ++i) {
      auto number =
          model_->embed(std::move(prompts[i]), ask_.key,
                        [self = shared_from_this(), i](Result<Embedding> embedding) {
                          auto box = std::make_shared<Result<Embedding>>(std::move(embedding));
                          self->reply_->post([self, i, box] { self->told(i, std::move(*box)); });
                        });
      if (!number) {
        stop();
        return refuse(*reply_, {.message = number.error().message}, words_);
      }
      numbers_.push_back(*number);
    }
    reply_->on_gone([self = shared_from_this()] { self->stop(); });
  }

 private:
  std::variant<Prompt, Problem> read(const Text& text) const {
    const auto* words = std::get_if<std::string>(&text);
    Prompt prompt;
    if (words) {
      auto read = model_->prompt(*words);
      if (!read) return Problem{.message = read.error().message, .param = "input"};
      prompt = *std::move(read);
    } else {
      prompt.ids = std::get<std::vector<int32_t>>(text);
    }
    const int64_t n = std::ssize(prompt.ids), most = model_->context() - 1;
    if (n == 0) return Problem{.message = "input: a text is empty", .param = "input"};
    if (n > most && !ask_.truncate)
      return Problem{
          .message = fmt::format("input: a text has {} tokens, at most {} are taken", n, most),
          .param = "input",
          .code = "context_length_exceeded"};
    if (n > most) prompt.ids.resize(static_cast<size_t>(most));
    return prompt;
  }

  void stop() {
    open_ = 0;
    for (const uint64_t number : numbers_) model_->cancel(number);
  }

  void told(size_t i, Result<Embedding> embedding) {
    if (open_ == 0) return;
    if (!embedding) {
      stop();
      app_.metrics.refused(500);
      app_.metrics.failed(embedding.error().message);
      return refuse(*reply_, {.status = 500, .message = "the model failed to embed"}, words_);
    }
    all_[i] = *std::move(embedding);
    if (ask_.dimensions) shorten(all_[i].values, static_cast<size_t>(*ask_.dimensions));
    if (--open_ > 0) return;
    Completion done;
    for (const Embedding& e : all_) {
      done.prompt_tokens += e.tokens;
      done.prefill_seconds += e.seconds;
    }
    const Usage usage{.requests = 1, .prompt_tokens = done.prompt_tokens};
    app_.metrics.answered(done, seconds(),
                          app_.accounts.charge(ask_.key, item_.name, usage, unix_seconds()));
    reply_->send(200, "application/json", said(done.prompt_tokens));
  }

  double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }

  std::string said(int64_t tokens) const {
    Json list = Json::array();
    for (size_t i = 0; i < all_.size(); ++i) {
      const auto& values = all_[i].values;
      const Json vector = ask_.base64 ? Json(base64(values)) : Json(values);
      if (ask_.words == EmbedAsk::Words::kOpenAi)
        list.push_back({{"object", "embedding"}, {"index", i}, {"embedding", vector}});
      else
        list.push_back(vector);
    }
    switch (ask_.words) {
      case EmbedAsk::Words::kOpenAi:
        return dump({{"object", "list"},
                     {"data", std::move(list)},
                     {"model", ask_.model},
                     {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
      case EmbedAsk::Words::kOllamaFirst:
        return dump({{"embedding", list[0]}});
      case EmbedAsk::Words::kOllama:
        break;
    }
    return dump({{"model", ask_.model},
                 {"embeddings", std::move(list)},
                 {"total_duration", static_cast<int64_t>(seconds() * 1e9)},
                 {"load_duration", 0},
                 {"prompt_eval_count", tokens}});
  }

  App& app_;
  EmbedAsk ask_;
  const ShelfItem& item_;
  Lease model_;
  Refuse words_;
  std::shared_ptr<Reply> reply_;
  std::vector<Embedding> all_;
  std::vector<uint64_t> numbers_;
  size_t open_ = 0;
  const Clock::time_point began_ = Clock::now();
  Admission admission_{app_, ask_.key};  // last: given back first
};

void handle(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply,
            EmbedAsk::Words words, Refuse refusal) {
  auto asked = read_body(request, *reply, refusal,
                         [&](const Json& body) { return read_embeddings(body, words); });
  if (!asked) return;
  const auto ask = std::make_shared<EmbedAsk>(*std::move(asked));
  ask->key = request.key;
  const auto ready = [&app, ask, reply, refusal](const ShelfItem& item, Lease model) {
    std::make_shared<Embeddings>(app, std::move(*ask), item, std::move(model), refusal, reply)
        ->start();
  };
  with_model(app, ask->model, ask->keep_alive, refusal, reply, ready);
}

}  // namespace

std::variant<EmbedAsk, Problem> read_embeddings(const Json& body, EmbedAsk::Words words) {
  EmbedAsk ask;
  ask.words = words;
  Fields f(body);
  ask.model = f.text("model").value_or("");
  if (ask.model.empty()) f.refuse("model", "model: the name of a model is wanted");
  const bool openai = words == EmbedAsk::Words::kOpenAi;
  read_texts(f, words == EmbedAsk::Words::kOllamaFirst ? "prompt" : "input", kMostTexts, ask.texts);
  ask.dimensions = f.integer("dimensions", 1, 1 << 20);
  if (openai) {
    ask.base64 = f.choice("encoding_format", {"float", "base64"}) == "base64";
    f.ignore({"user"});
    if (const auto name = f.unknown())
      f.refuse(*name, "Unrecognized request argument supplied: " + *name, 400, "unknown_parameter");
  } else {
    ask.truncate = f.boolean("truncate").value_or(true);
    read_keep_alive(f, ask.keep_alive);
  }
  if (f.problem()) return *f.problem();
  return ask;
}

void openai_embeddings(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(app, request, std::move(reply), EmbedAsk::Words::kOpenAi, openai_refusal);
}

void ollama_embed(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(app, request, std::move(reply), EmbedAsk::Words::kOllama, ollama_refusal);
}

void ollama_embeddings(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(app, request, std::move(reply), EmbedAsk::Words::kOllamaFirst, ollama_refusal);
}

}  // namespace r1
