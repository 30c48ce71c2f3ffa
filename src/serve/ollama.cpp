// Ollama's chat and generate (port 11434): JSON lines, durations in nanoseconds.
#include <chrono>

#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr const char* kVersion = "0.12.0";  // the API this speaks; clients ask for it

void read_options(Fields& f, Ask& ask) {
  const Json* given = f.object("options");
  if (!given) return;
  Fields o(*given, "options.");
  SamplingWish& s = ask.sampling;
  if (const auto x = o.number("temperature", 0, 100)) s.temperature = static_cast<float>(*x);
  if (const auto x = o.number("top_p", 0, 1)) s.top_p = std::max(static_cast<float>(*x), 1e-6f);
  if (const auto x = o.number("min_p", 0, 1)) s.min_p = static_cast<float>(*x);
  if (const auto x = o.integer("top_k", 0, 1 << 30)) s.top_k = static_cast<int32_t>(*x);
  if (const auto x = o.number("repeat_penalty", 0.01, 100)) s.repetition = static_cast<float>(*x);
  if (const auto x = o.integer("repeat_last_n", -1, 1 << 30)) s.last_n = static_cast<int32_t>(*x);
  if (const auto x = o.number("presence_penalty", -100, 100)) s.presence = static_cast<float>(*x);
  if (const auto x = o.number("frequency_penalty", -100, 100)) s.frequency = static_cast<float>(*x);
  if (const auto x = o.integer("seed", INT64_MIN, INT64_MAX)) s.seed = static_cast<uint64_t>(*x);
  if (const auto x = o.integer("num_predict", -2, int64_t{1} << 31); x && *x > 0)
    ask.params.max_tokens = *x;
  ask.params.stop = read_stop(o, "stop", 64);
  f.take(o);  // what Ollama has beside these tunes its own engine; unknown options it passes over
}

void read_think(Fields& f, OllamaAsk& o) {
  const Json* think = f.find("think");
  if (!think) return;
  if (think->is_boolean()) {
    o.ask.think = think->get<bool>() ? Think::kOn : Think::kOff;
    o.hide_thought = !think->get<bool>();
    return;
  }
  const auto level = f.choice("think", {"low", "medium", "high", "max"});
  o.ask.think = Think::kOn;
  if (level) set_effort(*level, o.ask);
}

class OllamaVoice final : public Voice {
 public:
  OllamaVoice(const OllamaAsk& ask, Lease model)
      : model_(std::move(model)),
        name_(ask.ask.model),
        chat_(ask.chat),
        logprobs_(ask.logprobs),
        hide_thought_(ask.hide_thought) {}

  std::string_view stream_type() const override { return "application/x-ndjson"; }
  std::string heartbeat() const override { return ""; }  // nothing in a line's place is nothing
  std::string begin(int64_t) override { return ""; }
  std::string piece(size_t, const Piece& piece) override {
    const bool silent = hide_thought_ && piece.answer.empty();
    if (silent || (piece.thought.empty() && piece.answer.empty() && !logprobs_)) return "";
    Json line = said(piece.thought, piece.answer);
    line["done"] = false;
    if (logprobs_) line["logprobs"] = logprobs(piece.tokens);
    return dump(line) + "\n";
  }
  std::string call(size_t, size_t, const ToolCall& call) override {
    Json line = said("", "");
    if (chat_) line["message"]["tool_calls"] = Json::array({call_json(call)});
    line["done"] = false;
    return dump(line) + "\n";
  }
  std::string ended(size_t, const Said&) override { return ""; }
  std::string finish(const std::vector<Said>& all) override {
    return dump(with_end(said("", ""), all[0].completion)) + "\n";
  }
  std::string problem(const Problem& problem) override {
    return ollama_refusal(problem).body + "\n";
  }
  std::string whole(const std::vector<Said>& all) override {
    Json json =
        with_end(said(all[0].completion.thought, all[0].completion.answer), all[0].completion);
    for (const ToolCall& call : all[0].calls)
      if (chat_) json["message"]["tool_calls"].push_back(call_json(call));
    if (logprobs_) json["logprobs"] = logprobs(all[0].tokens);
    return dump(json);
  }

 private:
  static Json call_json(const ToolCall& call) {
    return {{"id", call.id}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
  }
  Json said(const std::string& thought, const std::string& answer) const {
    Json json = {{"model", name_}, {"created_at", rfc3339(unix_seconds())}};
    const bool shown = !thought.empty() && !hide_thought_;
    if (chat_) {
      json["message"] = {{"role", "assistant"}, {"content", answer}};
      if (shown) json["message"]["thinking"] = thought;
    } else {
      json["response"] = answer;
      if (shown) json["thinking"] = thought;
    }
    return json;
  }
  Json with_end(Json json, const Completion& c) const {
    const auto ns = [](double seconds) { return static_cast<int64_t>(seconds * 1e9); };
    const bool cut = c.reason == FinishReason::kLength || c.reason == FinishReason::kContext;
    json["done"] = true;
    json["done_reason"] = cut ? "length" : "stop";
    json["total_duration"] = ns(std::chrono::duration<double>(Clock::now() - began_).count());
    json["load_duration"] = 0;
    json["prompt_eval_count"] = c.prompt_tokens;
    json["prompt_eval_duration"] = ns(c.prefill_seconds);
    json["eval_count"] = c.generated_tokens;
    json["eval_duration"] = ns(c.decode_seconds);
    return json;
  }
  Json logprobs(const std::vector<Sampled>& tokens) const {
    Json list = Json::array();
    for (const Sampled& token : tokens) list.push_back(token_json(*model_, token));
    return list;
  }

  Lease model_;
  std::string name_;
  bool chat_, logprobs_, hide_thought_;
  const Clock::time_point began_ = Clock::now();
};

// An empty request loads the model, or with keep_alive 0 puts it back.
void load_only(App& app, const OllamaAsk& o, std::shared_ptr<Reply> reply) {
  const bool unload = o.ask.keep_alive == 0;
  Json json = {{"model", o.ask.model}, {"created_at", rfc3339(unix_seconds())}};
  if (o.chat)
    json["message"] = {{"role", "assistant"}, {"content", ""}};
  else
    json["response"] = "";
  json["done"] = true;
  json["done_reason"] = unload ? "unload" : "load";
  with_model(app, o.ask.model, o.ask.keep_alive, ollama_refusal, reply,
             [reply, said = dump(json)](const ShelfItem&, const Lease&) {
               reply->send(200, "application/json", said);
             });
}

void handle(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply, bool chat) {
  auto asked = read_body(request, *reply, ollama_refusal,
                         [&](const Json& body) { return read_ollama(body, chat); });
  if (!asked) return;
  if (asked->load_only) return load_only(app, *asked, std::move(reply));
  OllamaAsk words = *asked;
  words.ask.messages = nullptr;
  answer(
      app, request, std::move(asked->ask),
      [words](const Lease& model) { return std::make_unique<OllamaVoice>(words, model); },
      ollama_refusal, std::move(reply));
}

}  // namespace

Refusal ollama_refusal(const Problem& problem) {
  return {problem.status == 422 ? 400 : problem.status, dump({{"error", problem.message}})};
}

std::variant<OllamaAsk, Problem> read_ollama(const Json& body, bool chat) {
  OllamaAsk o;
  o.chat = chat;
  Ask& ask = o.ask;
  Fields f(body);
  ask.model = f.text("model").value_or("");
  if (ask.model.empty()) f.refuse("model", "model is required");
  ask.stream = f.boolean("stream").value_or(true);
  read_keep_alive(f, ask.keep_alive);
  read_options(f, ask);
  read_think(f, o);
  o.logprobs = f.boolean("logprobs").value_or(false);
  const auto top = f.integer("top_logprobs", 0, 20);
  if (o.logprobs) ask.params.top_logprobs = static_cast<int>(top.value_or(0));
  if (const Json* format = f.find("format"); format && *format != "") {
    const bool grammar = format->is_object() && format->contains("type") &&
                         ((*format)["type"] == "grammar" || (*format)["type"] == "regex");
    if (grammar)
      read_format(f, "format", *format, ask);
    else if (*format == "json")
      read_schema(f, "format", {{"type", "object"}}, ask);
    else if (format->is_object())
      read_schema(f, "format", *format, ask);
    else
      f.refuse("format", "format: \"json\", a JSON schema, or a grammar is wanted");
  }
  if (chat) read_tools(f, ask.tools);

  if (chat) {
    const Json* messages = f.list("messages");
    o.load_only = !f.problem() && (!messages || messages->empty());
    if (!o.load_only) {
      if (auto read = read_messages(f, false)) {
        ask.messages = std::move(read->messages);
        ask.begun = std::move(read->begun);
        if (ask.begun && ask.params.grammar)
          f.refuse("format", "format: a prefix leaves no room for it");
      }
    }
  } else {
    const auto prompt = f.text("prompt").value_or("");
    const auto system = f.text("system").value_or("");
    const bool raw = f.boolean("raw").value_or(false);
    if (const Json* images = f.list("images"); images && !images->empty())
      f.refuse("images", "images: the model sees no images");
    if (const auto suffix = f.text("suffix"); suffix && !suffix->empty())
      f.refuse("suffix", fmt::format("'{}' does not support insert", ask.model));
    if (const auto text = f.text("template"); text && !text->empty())
      f.refuse("template", "template: the model's own is used; raw takes a prompt as it stands");
    o.load_only = prompt.empty() && system.empty();
    if (raw) {
      ask.texts.emplace_back(prompt);
      ask.params.split_thought = false;  // from the first token on, a grammar too
    } else {
      ask.messages = Json::array();
      if (!system.empty()) ask.messages.push_back({{"role", "system"}, {"content", system}});
      ask.messages.push_back({{"role", "user"}, {"content", prompt}});
    }
  }
  if (f.problem()) return *f.problem();
  return o;
}

void ollama_chat(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(app, request, std::move(reply), true);
}

void ollama_generate(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  handle(app, request, std::move(reply), false);
}

void ollama_version(App&, const HttpRequest&, std::shared_ptr<Reply> reply) {
  reply->send(200, "application/json", dump({{"version", kVersion}}));
}

}  // namespace r1
