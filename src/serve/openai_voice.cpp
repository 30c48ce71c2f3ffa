// OpenAI's and DeepSeek's answers, whole and as server-sent events; their lists of models; their
// errors.
#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

std::string event(const Json& json) { return "data: " + dump(json) + "\n\n"; }

Json finish_reason(const Voice::Said& said) {
  const FinishReason reason = said.completion.reason;
  if (reason == FinishReason::kLength || reason == FinishReason::kContext) return "length";
  return said.calls.empty() ? "stop" : "tool_calls";
}

Json call_json(const ToolCall& call, bool with_arguments) {
  return {{"id", call.id},
          {"type", "function"},
          {"function",
           {{"name", call.name}, {"arguments", with_arguments ? dump(call.arguments) : ""}}}};
}

Json error_json(const Problem& problem, std::string_view type) {
  return {{"error",
           {{"message", problem.message},
            {"type", type},
            {"param", problem.param.empty() ? Json() : Json(problem.param)},
            {"code", problem.code.empty() ? Json() : Json(problem.code)}}}};
}

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "insufficient_quota";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

// llama-server's, of the engine's own clock: the tokens of an answer are timed from its first, and
// choices are drawn at once.
Json timings_json(const std::vector<Voice::Said>& all) {
  int64_t prompt = 0, cached = 0, timed = 0, generated = 0;
  double prefill = 0, decode = 0;
  for (const Voice::Said& said : all) {
    const Completion& c = said.completion;
    prompt += c.prompt_tokens - c.cached_tokens;
    cached += c.cached_tokens;
    generated += c.generated_tokens;
    timed += std::max<int64_t>(c.generated_tokens - 1, 0);
    prefill = std::max(prefill, c.prefill_seconds);
    decode = std::max(decode, c.decode_seconds);
  }
  const auto rate = [](int64_t n, double seconds) {
    return seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
  };
  return {{"cache_n", cached},
          {"prompt_n", prompt},
          {"prompt_ms", prefill * 1e3},
          {"prompt_per_second", rate(prompt, prefill)},
          {"predicted_n", generated},
          {"predicted_ms", decode * 1e3},
          {"predicted_per_second", rate(timed, decode)}};
}

Json usage_json(const std::vector<Voice::Said>& all, size_t choices_a_prompt) {
  int64_t prompt = 0, cached = 0, generated = 0, thought = 0, nanos = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const Completion& c = all[i].completion;
    if (i % choices_a_prompt == 0) {
      prompt += c.prompt_tokens;
      cached += c.cached_tokens;
    }
    generated += c.generated_tokens;
    thought += c.thought_tokens;
    nanos += all[i].nanos;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", generated},
          {"total_tokens", prompt + generated},
          {"prompt_tokens_details", {{"cached_tokens", cached}}},
          {"completion_tokens_details", {{"reasoning_tokens", thought}}},
          {"prompt_cache_hit_tokens", cached},
          {"prompt_cache_miss_tokens", prompt - cached},
          {"cost", static_cast<double>(nanos) / 1e9}};  // dollars, as OpenRouter tells them
}

class OpenAiVoice : public Voice {
 public:
  OpenAiVoice(const OpenAiAsk& ask, Lease model, std::string_view id, std::string_view object)
      : model_(std::move(model)),
        n_(static_cast<size_t>(ask.ask.n)),
        logprobs_(ask.logprobs),
        include_usage_(ask.include_usage),
        continuous_(ask.continuous_usage),
        deepseek_(ask.deepseek),
        head_({{"id", fresh_id(id)},
               {"object", object},
               {"created", unix_seconds()},
               {"model", ask.ask.model},
               {"system_fingerprint", "r1"}}) {}

  std::string_view stream_type() const override { return "text/event-stream"; }
  std::string heartbeat() const override { return ": keep-alive\n\n"; }
  std::string problem(const Problem& problem) override {
    return event(error_json(problem, error_type(problem.status)));
  }
  std::string finish(const std::vector<Said>& all) override {
    std::string text;
    if (include_usage_) {
      Json chunk = head_;
      chunk["choices"] = Json::array();
      chunk["usage"] = usage_json(all, n_);
      chunk["timings"] = timings_json(all);
      text = event(chunk);
    } else if (deepseek_) {  // in the last chunk, asked for or not
      last_["usage"] = usage_json(all, n_);
      text = event(last_);
    }
    return text + "data: [DONE]\n\n";
  }

 protected:
  // What chunks tell from now on, of a choice that has come so far.
  void note(size_t choice, int64_t thought, int64_t generated) {
    if (!continuous_) return;
    if (so_far_.size() <= choice) so_far_.resize(choice + 1);
    so_far_[choice] = {thought, generated};
  }
  Json usage_so_far() const {
    int64_t thought = 0, generated = 0;
    for (const auto& [t, g] : so_far_) thought += t, generated += g;
    return {{"prompt_tokens", prompt_tokens_},
            {"completion_tokens", generated},
            {"total_tokens", prompt_tokens_ + generated},
            {"completion_tokens_details", {{"reasoning_tokens", thought}}}};
  }
  std::string chunk(Json choice) {
    Json json = head_;
    json["choices"] = Json::array({std::move(choice)});
    if (include_usage_) json["usage"] = continuous_ ? usage_so_far() : Json();
    return event(json);
  }
  // The last chunk of a choice; DeepSeek's very last is kept for the usage.
  std::string last_chunk(Json choice, size_t n_choices) {
    Json json = head_;
    json["choices"] = Json::array({std::move(choice)});
    if (include_usage_) json["usage"] = continuous_ ? usage_so_far() : Json();
    if (deepseek_ && !include_usage_ && ++ended_ == n_choices) {
      last_ = std::move(json);
      return "";
    }
    return event(json);
  }

  Lease model_;
  size_t n_;
  bool logprobs_, include_usage_, continuous_, deepseek_;
  Json head_, last_;
  std::vector<std::pair<int64_t, int64_t>> so_far_;  // thought and all tokens, of each choice
  int64_t prompt_tokens_ = 0;
  size_t ended_ = 0;
};

class ChatVoice final : public OpenAiVoice {
 public:
  ChatVoice(const OpenAiAsk& ask, Lease model)
      : OpenAiVoice(ask, std::move(model), "chatcmpl-",
                    ask.ask.stream ? "chat.completion.chunk" : "chat.completion") {}

  std::string begin(int64_t prompt_tokens) override {
    prompt_tokens_ = prompt_tokens;
    std::string text;
    for (size_t i = 0; i < n_; ++i)
      text += chunk(choice(i, {{"role", "assistant"}, {"content", ""}}, nullptr));
    return text;
  }
  std::string piece(size_t i, const Piece& piece) override {
    note(i, piece.thought_tokens, piece.generated_tokens);
    Json delta = Json::object();
    if (!piece.thought.empty()) delta["reasoning_content"] = piece.thought;
    if (!piece.answer.empty()) delta["content"] = piece.answer;
    Json said = choice(i, std::move(delta), nullptr);
    if (logprobs_) said["logprobs"] = logprobs(piece.tokens);
    return chunk(std::move(said));
  }
  std::string call(size_t i, size_t index, const ToolCall& call) override {
    Json head = {{"index", index}};
    head.update(call_json(call, false));
    const Json rest = {{"index", index}, {"function", {{"arguments", dump(call.arguments)}}}};
    std::string text;
    for (const Json& delta : {head, rest})
      text += chunk(choice(i, {{"tool_calls", Json::array({delta})}}, nullptr));
    return text;
  }
  std::string ended(size_t i, const Said& said) override {
    note(i, said.completion.thought_tokens, said.completion.generated_tokens);
    return last_chunk(choice(i, Json::object(), finish_reason(said)), n_);
  }
  std::string whole(const std::vector<Said>& all) override {
    Json json = head_;
    Json& choices = json["choices"] = Json::array();
    for (size_t i = 0; i < all.size(); ++i) {
      const Completion& c = all[i].completion;
      Json message = {{"role", "assistant"}, {"content", c.answer}, {"refusal", nullptr}};
      if (!c.thought.empty()) message["reasoning_content"] = c.thought;
      if (!all[i].calls.empty()) {
        if (c.answer.empty()) message["content"] = nullptr;
        Json& calls = message["tool_calls"] = Json::array();
        for (const ToolCall& one : all[i].calls) calls.push_back(call_json(one, true));
      }
      choices.push_back({{"index", i},
                         {"message", std::move(message)},
                         {"logprobs", logprobs_ ? logprobs(all[i].tokens) : Json()},
                         {"finish_reason", finish_reason(all[i])}});
    }
    json["usage"] = usage_json(all, n_);
    json["timings"] = timings_json(all);
    return dump(json);
  }

 private:
  static Json choice(size_t i, Json delta, Json reason) {
    return {{"index", i},
            {"delta", std::move(delta)},
            {"logprobs", nullptr},
            {"finish_reason", std::move(reason)}};
  }
  Json logprobs(const std::vector<Sampled>& tokens) const {
    Json content = Json::array();
    for (const Sampled& token : tokens) content.push_back(token_json(*model_, token));
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }
};

class CompletionVoice final : public OpenAiVoice {
 public:
  CompletionVoice(const OpenAiAsk& ask, Lease model)
      : OpenAiVoice(ask, std::move(model), "cmpl-", "text_completion") {
    for (const Text& text : ask.ask.texts) {
      std::string& echo = echoes_.emplace_back();
      if (!ask.echo) continue;
      if (const auto* said = std::get_if<std::string>(&text)) echo = *said;
      if (const auto* ids = std::get_if<std::vector<int32_t>>(&text))
        for (const int32_t id : *ids) echo += model_->bytes(id);
    }
    offsets_.resize(echoes_.size() * n_);
  }

  std::string begin(int64_t prompt_tokens) override {
    prompt_tokens_ = prompt_tokens;
    std::string text;
    for (size_t i = 0; i < offsets_.size(); ++i)
      if (!echoes_[i / n_].empty()) text += chunk(choice(i, echoes_[i / n_], {}, nullptr));
    return text;
  }
  std::string piece(size_t i, const Piece& piece) override {
    note(i, piece.thought_tokens, piece.generated_tokens);
    return chunk(choice(i, piece.thought + piece.answer, piece.tokens, nullptr));
  }
  std::string call(size_t, size_t, const ToolCall&) override { return ""; }
  std::string ended(size_t i, const Said& said) override {
    note(i, said.completion.thought_tokens, said.completion.generated_tokens);
    return last_chunk(choice(i, "", {}, finish_reason(said)), offsets_.size());
  }
  std::string whole(const std::vector<Said>& all) override {
    Json json = head_;
    Json& choices = json["choices"] = Json::array();
    for (size_t i = 0; i < all.size(); ++i) {
      const Completion& c = all[i].completion;
      choices.push_back(
          choice(i, echoes_[i / n_] + c.thought + c.answer, all[i].tokens, finish_reason(all[i])));
    }
    json["usage"] = usage_json(all, n_);
    json["timings"] = timings_json(all);
    return dump(json);
  }

 private:
  Json choice(size_t i, std::string text, const std::vector<Sampled>& tokens, Json reason) {
    return {{"text", std::move(text)},
            {"index", i},
            {"logprobs", logprobs_ ? logprobs(i, tokens) : Json()},
            {"finish_reason", std::move(reason)}};
  }
  Json logprobs(size_t i, const std::vector<Sampled>& tokens) {
    Json said = {{"tokens", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"top_logprobs", Json::array()},
                 {"text_offset", Json::array()}};
    for (const Sampled& token : tokens) {
      const Json one = token_json(*model_, token);
      said["tokens"].push_back(one["token"]);
      said["token_logprobs"].push_back(one["logprob"]);
      Json named = Json::object();
      for (const Json& t : one["top_logprobs"]) named[t["token"].get<std::string>()] = t["logprob"];
      said["top_logprobs"].push_back(std::move(named));
      said["text_offset"].push_back(offsets_[i]);
      offsets_[i] += one["token"].get_ref<const std::string&>().size();
    }
    return said;
  }

  std::vector<std::string> echoes_;
  std::vector<size_t> offsets_;  // bytes said of each choice
};

template <class Read, class MakeIt>
void handle(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply, Refuse words,
            Read read, MakeIt make) {
  auto ask = read_body(request, *reply, words, read);
  if (!ask) return;
  if (ask->deepseek) words = deepseek_refusal;
  MakeVoice voice = make(*ask);
  answer(app, request, std::move(ask->ask), std::move(voice), words, std::move(reply));
}

MakeVoice chat_voice(const OpenAiAsk& ask) {
  OpenAiAsk words = ask;
  words.ask.messages = nullptr;
  return [words = std::move(words)](const Lease& model) {
    return std::make_unique<ChatVoice>(words, model);
  };
}

MakeVoice completion_voice(const OpenAiAsk& ask) {
  return [ask](const Lease& model) { return std::make_unique<CompletionVoice>(ask, model); };
}

Json model_json(const ShelfItem& item) {
  return {{"id", item.name}, {"object", "model"}, {"created", item.modified}, {"owned_by", "r1"}};
}

}  // namespace

Refusal openai_refusal(const Problem& problem) {
  return {problem.status, dump(error_json(problem, error_type(problem.status)))};
}

// DeepSeek tells a malformed request (400) from a wrong value (422).
Refusal deepseek_refusal(const Problem& problem) {
  const bool value =
      problem.status == 400 && !problem.param.empty() && !problem.param.starts_with("messages");
  const int status = value ? 422 : problem.status;
  return {status, dump(error_json(problem, error_type(status)))};
}

void openai_chat(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(
      app, request, std::move(reply), openai_refusal,
      [&](const Json& body) { return read_openai_chat(body, false, app.strict_reasoning); },
      chat_voice);
}

void deepseek_chat(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(
      app, request, std::move(reply), deepseek_refusal,
      [&](const Json& body) { return read_openai_chat(body, true, app.strict_reasoning); },
      chat_voice);
}

void openai_completion(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(
      app, request, std::move(reply), openai_refusal,
      [](const Json& body) { return read_openai_completion(body, false); }, completion_voice);
}

void deepseek_completion(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(
      app, request, std::move(reply), deepseek_refusal,
      [](const Json& body) { return read_openai_completion(body, true); }, completion_voice);
}

void openai_models(App& app, const HttpRequest&, std::shared_ptr<Reply> reply) {
  Json data = Json::array();
  for (const ShelfItem* item : app.shelf.items()) data.push_back(model_json(*item));
  reply->send(200, "application/json", dump({{"object", "list"}, {"data", std::move(data)}}));
}

void openai_model(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  const std::string name = request.path.substr(request.path.find("/models/") + 8);
  const ShelfItem* item = app.shelf.find(name);
  if (item) return reply->send(200, "application/json", dump(model_json(*item)));
  refuse(*reply,
         {.status = 404,
          .message = "model '" + name + "' not found",
          .param = "model",
          .code = "model_not_found"},
         openai_refusal);
}

}  // namespace r1
