// Anthropic's Messages: blocks of thinking and text, one after the other.
#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

std::string event(const Json& json) {
  return fmt::format("event: {}\ndata: {}\n\n", json["type"].get_ref<const std::string&>(),
                     dump(json));
}

std::string_view error_type(int status) {
  switch (status) {
    case 402:
      return "billing_error";
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json error_json(const Problem& problem) {
  return {{"type", "error"},
          {"error", {{"type", error_type(problem.status)}, {"message", problem.message}}}};
}

Json stop_reason(const Voice::Said& said) {
  const Completion& c = said.completion;
  if (c.reason == FinishReason::kLength) return "max_tokens";
  if (c.reason == FinishReason::kContext) return "model_context_window_exceeded";
  if (!said.calls.empty()) return "tool_use";
  return c.stopped_by.empty() ? "end_turn" : "stop_sequence";
}

Json stop_sequence(const Completion& c) {
  return c.stopped_by.empty() ? Json() : Json(c.stopped_by);
}

class AnthropicVoice final : public Voice {
 public:
  AnthropicVoice(std::string model, bool show_thought)
      : show_thought_(show_thought),
        head_({{"id", fresh_id("msg_")},
               {"type", "message"},
               {"role", "assistant"},
               {"model", std::move(model)},
               {"content", Json::array()},
               {"stop_reason", nullptr},
               {"stop_sequence", nullptr}}) {}

  std::string_view stream_type() const override { return "text/event-stream"; }
  std::string heartbeat() const override { return event({{"type", "ping"}}); }
  std::string begin(int64_t prompt_tokens) override {
    Json message = head_;
    message["usage"] = {{"input_tokens", prompt_tokens}, {"output_tokens", 0}};
    return event({{"type", "message_start"}, {"message", std::move(message)}});
  }
  std::string piece(size_t, const Piece& piece) override {
    std::string text;
    if (!piece.thought.empty() && show_thought_) {
      text += open("thinking");
      text += delta({{"type", "thinking_delta"}, {"thinking", piece.thought}});
    }
    if (!piece.answer.empty()) {
      text += open("text");
      text += delta({{"type", "text_delta"}, {"text", piece.answer}});
    }
    return text;
  }
  std::string call(size_t, size_t, const ToolCall& call) override {
    std::string text = close();
    ++index_;
    block_ = "tool_use";
    text += event({{"type", "content_block_start"},
                   {"index", index_},
                   {"content_block", tool_use(call, Json::object())}});
    text += delta({{"type", "input_json_delta"}, {"partial_json", dump(call.arguments)}});
    return text + close();
  }
  std::string ended(size_t, const Said&) override { return ""; }
  std::string finish(const std::vector<Said>& all) override {
    const Completion& c = all[0].completion;
    std::string text;
    if (index_ < 0) text += open("text");
    text += close();
    text += event(
        {{"type", "message_delta"},
         {"delta", {{"stop_reason", stop_reason(all[0])}, {"stop_sequence", stop_sequence(c)}}},
         {"usage", usage(c)}});
    return text + event({{"type", "message_stop"}});
  }
  std::string problem(const Problem& problem) override { return event(error_json(problem)); }
  std::string whole(const std::vector<Said>& all) override {
    const Completion& c = all[0].completion;
    Json json = head_;
    Json& content = json["content"];
    if (!c.thought.empty() && show_thought_)
      content.push_back({{"type", "thinking"}, {"thinking", c.thought}, {"signature", ""}});
    if (!c.answer.empty() || all[0].calls.empty())
      content.push_back({{"type", "text"}, {"text", c.answer}});
    for (const ToolCall& call : all[0].calls) content.push_back(tool_use(call, call.arguments));
    json["stop_reason"] = stop_reason(all[0]);
    json["stop_sequence"] = stop_sequence(c);
    json["usage"] = usage(c);
    return dump(json);
  }

 private:
  static Json tool_use(const ToolCall& call, Json input) {
    return {
        {"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", std::move(input)}};
  }
  static Json usage(const Completion& c) {
    return {{"input_tokens", c.prompt_tokens - c.cached_tokens},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", c.cached_tokens},
            {"output_tokens", c.generated_tokens}};
  }
  std::string delta(Json json) const {
    return event({{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(json)}});
  }
  // Begins a block of this type unless one is open.
  std::string open(std::string_view type) {
    if (type == block_) return "";
    std::string text = close();
    block_ = type;
    ++index_;
    Json block = {{"type", type}, {std::string(type), ""}};
    if (type == "thinking") block["signature"] = "";
    return text + event({{"type", "content_block_start"},
                         {"index", index_},
                         {"content_block", std::move(block)}});
  }
  std::string close() {
    if (block_.empty()) return "";
    std::string text;
    if (block_ == "thinking") text += delta({{"type", "signature_delta"}, {"signature", ""}});
    block_.clear();
    return text + event({{"type", "content_block_stop"}, {"index", index_}});
  }

  bool show_thought_;
  Json head_;
  std::string block_;
  int index_ = -1;
};

// Blocks as messages of the kind that templates take: what a user's tools said comes before what
// the user says.
std::optional<Json> plain_messages(Fields& f) {
  const Json* list = f.list("messages");
  if (!list) return std::nullopt;
  Json all = Json::array();
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& message = (*list)[i];
    const bool blocks =
        message.is_object() && message.contains("content") && message["content"].is_array();
    if (!blocks) {
      all.push_back(message);
      continue;
    }
    Json rest = Json::array(), calls = Json::array();
    for (const Json& block : message["content"]) {
      const std::string type =
          block.is_object() && block.contains("type") && block["type"].is_string()
              ? block["type"].get<std::string>()
              : "";
      if (type != "tool_use" && type != "tool_result") {
        rest.push_back(block);
        continue;
      }
      const bool call = type == "tool_use";
      const auto named = block.find(call ? "name" : "tool_use_id");
      if (named == block.end() || !named->is_string()) {
        f.refuse("messages", fmt::format("messages[{}]: {} without its {}", i, type,
                                         call ? "name" : "tool_use_id"));
        return std::nullopt;
      }
      if (call) {
        calls.push_back(
            {{"id", block.value("id", Json())},
             {"type", "function"},
             {"function",
              {{"name", *named}, {"arguments", block.value("input", Json::object())}}}});
      } else {
        all.push_back({{"role", "tool"},
                       {"tool_call_id", *named},
                       {"content", block.value("content", Json(""))}});
      }
    }
    if (rest.empty() && calls.empty()) continue;
    Json plain = {{"role", message.value("role", Json())}, {"content", std::move(rest)}};
    if (!calls.empty()) plain["tool_calls"] = std::move(calls);
    all.push_back(std::move(plain));
  }
  return all;
}

// In OpenAI's words.
void read_anthropic_tools(Fields& f, Tools& tools) {
  const Json* list = f.list("tools");
  Json plain = Json::array();
  for (const Json& tool : list ? *list : Json::array()) {
    if (!tool.is_object() || !tool.contains("input_schema")) {
      f.refuse("tools",
               "tools: each is wanted with a name and an input_schema; the server has none "
               "of its own");
      return;
    }
    Json function = {{"name", tool.value("name", Json())},
                     {"description", tool.value("description", Json())},
                     {"parameters", tool["input_schema"]}};
    plain.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  const Json wrapped = {{"tools", std::move(plain)}};
  Fields inner(wrapped);
  read_tools(inner, tools);
  f.take(inner);
  if (const Json* choice = f.object("tool_choice")) {
    Fields one(*choice, "tool_choice.");
    const auto type = one.choice("type", {"auto", "any", "tool", "none"});
    const auto name = one.text("name").value_or("");
    if (type == "none") tools.wish = Tools::Wish::kNone;
    if (type == "any" || type == "tool") tools.wish = Tools::Wish::kMust;
    if (type == "tool") tools.named = name;
    if (type == "tool" && !tools.has(name))
      one.refuse("name", "tool_choice.name: the name of one of the tools is wanted");
    if (type == "any" && tools.list.empty())
      one.refuse("type", "tool_choice.type: \"any\" only with tools");
    one.ignore({"disable_parallel_tool_use"});
    f.take(one);
  }
}

}  // namespace

Refusal anthropic_refusal(const Problem& problem) {
  const int status = problem.status == 422 ? 400 : problem.status == 503 ? 529 : problem.status;
  return {status, dump(error_json(problem))};
}

std::variant<Ask, Problem> read_anthropic(const Json& body, bool count_only) {
  Ask ask;
  Fields f(body);
  ask.model = f.text("model").value_or("");
  if (ask.model.empty()) f.refuse("model", "model: Field required");
  const auto most = f.integer("max_tokens", 1, int64_t{1} << 31);
  if (!most && !count_only) f.refuse("max_tokens", "max_tokens: Field required");
  if (most) ask.params.max_tokens = *most;
  if (const auto x = f.number("temperature", 0, 1))
    ask.sampling.temperature = static_cast<float>(*x);
  if (const auto x = f.number("top_p", 0, 1))
    ask.sampling.top_p = std::max(static_cast<float>(*x), 1e-6f);
  if (const auto x = f.integer("top_k", 0, 1 << 30)) ask.sampling.top_k = static_cast<int32_t>(*x);
  if (const auto x = f.integer("seed", INT64_MIN, INT64_MAX))  // ours: Anthropic has none
    ask.sampling.seed = static_cast<uint64_t>(*x);
  ask.params.stop = read_stop(f, "stop_sequences", 64);
  ask.stream = f.boolean("stream").value_or(false);
  if (const Json* thinking = f.object("thinking")) {
    Fields inner(*thinking, "thinking.");
    const auto type = inner.choice("type", {"enabled", "disabled", "adaptive"});
    const auto budget = inner.integer("budget_tokens", 1024, int64_t{1} << 31);
    if (!type) inner.refuse("type", "thinking.type: Field required");
    if (type == "disabled") ask.think = Think::kOff;
    if (type == "enabled") {
      ask.think = Think::kOn;
      if (!budget) inner.refuse("budget_tokens", "thinking.budget_tokens: Field required");
    }
    if (budget && most && *budget >= *most)
      inner.refuse("budget_tokens",
                   fmt::format("thinking.budget_tokens is {}: it must be less than "
                               "max_tokens, {}",
                               *budget, *most));
    if (budget) ask.params.think_budget = *budget;
    inner.ignore({"display"});
    f.take(inner);
  }
  read_anthropic_tools(f, ask.tools);
  if (const Json* metadata = f.object("metadata")) {
    Fields inner(*metadata, "metadata.");
    ask.user = inner.text("user_id").value_or("");
    f.take(inner);
  }
  f.ignore({"service_tier", "container", "cache_control"});
  if (const Json* config = f.object("output_config")) {
    Fields inner(*config, "output_config.");
    if (const Json* format = inner.object("format"))
      read_format(inner, "output_config.format", *format, ask);
    const auto effort = inner.choice("effort", {"low", "medium", "high", "xhigh", "max"});
    if (effort) set_effort(*effort, ask);
    f.take(inner);
  }

  Json system = Json::array();
  if (const Json* given = f.find("system"); given && *given != "") {
    Json wrapped = {{"messages", Json::array({{{"role", "system"}, {"content", *given}}})}};
    Fields inner(wrapped);
    if (auto read = read_messages(inner, false)) system = std::move(read->messages);
    if (inner.problem()) f.refuse("system", "system: a text or a list of text blocks is wanted");
  }
  for (const Json& message : f.list("messages") ? *f.list("messages") : Json::array())
    if (message.is_object() && message.contains("role") && message["role"] != "user" &&
        message["role"] != "assistant")
      f.refuse("messages", "messages: roles are \"user\" and \"assistant\"");
  const Json wrapped = {{"messages", plain_messages(f).value_or(Json::array())}};
  Fields plain(wrapped);
  auto read = f.problem() ? std::nullopt : read_messages(plain, false);
  f.take(plain);
  if (read) {
    ask.messages = std::move(system);
    for (Json& message : read->messages) ask.messages.push_back(std::move(message));
    if (ask.messages.size() > 1 && ask.messages.back()["role"] == "assistant" &&
        !ask.messages.back().contains("tool_calls")) {  // prefilled
      ask.begun = Begun{.thought = "", .answer = ask.messages.back()["content"].get<std::string>()};
      ask.messages.erase(ask.messages.size() - 1);
      if (ask.params.grammar || ask.tools.wish == Tools::Wish::kMust)
        f.refuse("messages",
                 "messages: an assistant's message at the end leaves no room for "
                 "output_config.format and tool_choice");
    }
  }
  if (const auto name = f.unknown(); name && !f.problem())
    f.refuse(*name, *name + ": Extra inputs are not permitted");
  if (f.problem()) return *f.problem();
  return ask;
}

void anthropic_messages(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  auto ask = read_body(request, *reply, anthropic_refusal,
                       [](const Json& body) { return read_anthropic(body, false); });
  if (!ask) return;
  MakeVoice voice = [name = ask->model, show = ask->think != Think::kOff](const Lease&) {
    return std::make_unique<AnthropicVoice>(name, show);
  };
  answer(app, request, *std::move(ask), std::move(voice), anthropic_refusal, std::move(reply));
}

void anthropic_count(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  auto asked = read_body(request, *reply, anthropic_refusal,
                         [](const Json& body) { return read_anthropic(body, true); });
  if (!asked) return;
  const auto ask = std::make_shared<Ask>(*std::move(asked));
  const auto count = [ask, reply](const ShelfItem& item, const Lease& model) {
    if (item.made) apply(*item.made, *ask);
    const auto prompt =
        model->prompt(ask->messages, ask->think, ask->tools.offered() ? &ask->tools.list : nullptr,
                      ask->begun ? &*ask->begun : nullptr);
    if (!prompt) return refuse(*reply, {.message = prompt.error().message}, anthropic_refusal);
    reply->send(200, "application/json", dump({{"input_tokens", prompt->ids.size()}}));
  };
  with_model(app, ask->model, {}, anthropic_refusal, reply, count);
}

}  // namespace r1
