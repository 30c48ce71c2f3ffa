// OpenAI's Responses: the items of a conversation in, items and their events out. None is kept:
// `store` is answered with false, and what refers to an earlier response is refused.
#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

void refuse_kept(Fields& f) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"})
    if (f.has(name))
      f.refuse(name, fmt::format("{}: nothing is kept here; send the conversation in input", name),
               400, "unsupported_parameter");
  if (f.boolean("background").value_or(false))
    f.refuse("background", "background: nothing is kept here; stream the response instead", 400,
             "unsupported_parameter");
}

// An item's content as parts of the kind that messages have.
Json plain_content(const Json& content) {
  if (!content.is_array()) return content;
  Json parts = Json::array();
  for (const Json& part : content) {
    Json plain = part;
    if (part.is_object() && part.contains("type") &&
        (part["type"] == "input_text" || part["type"] == "output_text"))
      plain["type"] = "text";
    parts.push_back(std::move(plain));
  }
  return parts;
}

std::string type_of(const Json& item) {
  const auto type = item.find("type");
  if (type == item.end()) return "message";
  return type->is_string() ? type->get<std::string>() : "";
}

std::optional<Json> plain_messages(Fields& f) {
  Json all = Json::array();
  if (const auto text = f.text("instructions"); text && !text->empty())
    all.push_back({{"role", "system"}, {"content", *text}});
  const Json* input = f.find("input");
  if (input && input->is_string()) {
    all.push_back({{"role", "user"}, {"content", *input}});
    return all;
  }
  if (!input || !input->is_array() || input->empty()) {
    f.refuse("input", "input: a text, or a list of items is wanted");
    return std::nullopt;
  }
  for (size_t i = 0; i < input->size(); ++i) {
    const Json& item = (*input)[i];
    const std::string where = fmt::format("input[{}]", i);
    if (!item.is_object()) {
      f.refuse(where, where + ": an object is wanted");
      return std::nullopt;
    }
    const std::string type = type_of(item);
    if (type == "reasoning") continue;  // thought before: dropped
    if (type == "message") {
      all.push_back({{"role", item.value("role", Json())},
                     {"content", plain_content(item.value("content", Json()))}});
    } else if (type == "function_call") {
      const bool said = !all.empty() && all.back()["role"] == "assistant";
      if (!said) all.push_back({{"role", "assistant"}, {"content", ""}});
      all.back()["tool_calls"].push_back({{"id", item.value("call_id", Json())},
                                          {"type", "function"},
                                          {"function",
                                           {{"name", item.value("name", Json())},
                                            {"arguments", item.value("arguments", Json("{}"))}}}});
    } else if (type == "function_call_output") {
      all.push_back({{"role", "tool"},
                     {"tool_call_id", item.value("call_id", Json())},
                     {"content", plain_content(item.value("output", Json("")))}});
    } else {
      f.refuse(where, fmt::format("{}.type is {}: message, function_call, function_call_output and "
                                  "reasoning are understood",
                                  where, dump(type)));
      return std::nullopt;
    }
  }
  return all;
}

// {"type": "function", "name", "parameters"} as chat completions have it.
void read_flat_tools(Fields& f, Tools& tools) {
  Json plain = Json::array();
  const Json* list = f.list("tools");
  for (const Json& tool : list ? *list : Json::array()) {
    if (!tool.is_object() || type_of(tool) != "function") {
      f.refuse("tools",
               "tools: each is wanted with the type \"function\"; the server has none of "
               "its own");
      return;
    }
    Json function = tool;
    function.erase("type");
    plain.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  Json wrapped = {{"tools", std::move(plain)}};
  if (const Json* choice = f.find("tool_choice")) wrapped["tool_choice"] = *choice;
  Fields inner(wrapped);
  read_tools(inner, tools);
  read_tool_choice(inner, tools);
  f.take(inner);
}

// What an output is made of, whole and in events: a thought, a text, calls.
Json reasoning_item(const std::string& id, const std::string& thought) {
  Json summary = Json::array();
  if (!thought.empty()) summary.push_back({{"type", "summary_text"}, {"text", thought}});
  return {{"id", id}, {"type", "reasoning"}, {"summary", std::move(summary)}};
}

Json text_part(const std::string& text) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

Json message_item(const std::string& id, const std::string& status, Json content) {
  return {{"id", id},
          {"type", "message"},
          {"status", status},
          {"role", "assistant"},
          {"content", std::move(content)}};
}

Json call_item(const std::string& id, const ToolCall& call, const std::string& status,
               const std::string& arguments) {
  return {{"id", id},           {"type", "function_call"}, {"status", status},
          {"call_id", call.id}, {"name", call.name},       {"arguments", arguments}};
}

class ResponsesVoice final : public Voice {
 public:
  ResponsesVoice(const std::string& model, const Json& echo)
      : head_({{"id", fresh_id("resp_")},
               {"object", "response"},
               {"created_at", unix_seconds()},
               {"status", "in_progress"},
               {"error", nullptr},
               {"incomplete_details", nullptr},
               {"model", model},
               {"output", Json::array()},
               {"previous_response_id", nullptr},
               {"store", false}}) {
    head_.update(echo);
    head_["usage"] = nullptr;
  }

  std::string_view stream_type() const override { return "text/event-stream"; }
  std::string heartbeat() const override { return ": keep-alive\n\n"; }
  std::string begin(int64_t) override {
    std::string text = event("response.created", {{"response", head_}});
    return text += event("response.in_progress", {{"response", head_}});
  }
  std::string piece(size_t, const Piece& piece) override {
    std::string text;
    if (!piece.thought.empty()) {
      text += open(Open::kThought);
      said_ += piece.thought;
      text += part_event("response.reasoning_summary_text.delta", {{"delta", piece.thought}});
    }
    if (!piece.answer.empty()) {
      text += open(Open::kText);
      said_ += piece.answer;
      text += part_event("response.output_text.delta",
                         {{"delta", piece.answer}, {"logprobs", Json::array()}});
    }
    return text;
  }
  std::string call(size_t, size_t, const ToolCall& call) override {
    std::string text = close();
    item_ = fresh_id("fc_");
    const std::string arguments = dump(call.arguments);
    const auto at = [&](Json json) {
      Json all = {{"item_id", item_}, {"output_index", output_.size()}};
      all.update(json);
      return all;
    };
    text += event(
        "response.output_item.added",
        {{"output_index", output_.size()}, {"item", call_item(item_, call, "in_progress", "")}});
    text += event("response.function_call_arguments.delta", at({{"delta", arguments}}));
    text += event("response.function_call_arguments.done", at({{"arguments", arguments}}));
    return text + done(call_item(item_, call, "completed", arguments));
  }
  std::string ended(size_t, const Said&) override { return ""; }
  std::string finish(const std::vector<Said>& all) override {
    std::string text = close();
    const Json response = whole_json(all[0], std::move(output_));
    const bool complete = response["status"] == "completed";
    return text +
           event(complete ? "response.completed" : "response.incomplete", {{"response", response}});
  }
  std::string problem(const Problem& problem) override {
    Json failed = head_;
    failed["status"] = "failed";
    failed["error"] = {{"code", "server_error"}, {"message", problem.message}};
    return event("response.failed", {{"response", failed}});
  }
  std::string whole(const std::vector<Said>& all) override {
    const Said& said = all[0];
    Json output = Json::array();
    if (!said.completion.thought.empty())
      output.push_back(reasoning_item(fresh_id("rs_"), said.completion.thought));
    if (!said.completion.answer.empty() || said.calls.empty())
      output.push_back(message_item(fresh_id("msg_"), "completed",
                                    Json::array({text_part(said.completion.answer)})));
    for (const ToolCall& call : said.calls)
      output.push_back(call_item(fresh_id("fc_"), call, "completed", dump(call.arguments)));
    return dump(whole_json(said, std::move(output)));
  }

 private:
  enum class Open { kNothing, kThought, kText };

  Json whole_json(const Said& said, Json output) const {
    const Completion& c = said.completion;
    const bool cut = c.reason == FinishReason::kLength || c.reason == FinishReason::kContext;
    Json json = head_;
    json["status"] = cut ? "incomplete" : "completed";
    if (cut) json["incomplete_details"] = {{"reason", "max_output_tokens"}};
    json["output"] = std::move(output);
    json["usage"] = {{"input_tokens", c.prompt_tokens},
                     {"input_tokens_details", {{"cached_tokens", c.cached_tokens}}},
                     {"output_tokens", c.generated_tokens},
                     {"output_tokens_details", {{"reasoning_tokens", c.thought_tokens}}},
                     {"total_tokens", c.prompt_tokens + c.generated_tokens}};
    return json;
  }
  std::string event(const char* type, Json rest) {
    Json json = {{"type", type}, {"sequence_number", number_++}};
    json.update(rest);
    return fmt::format("event: {}\ndata: {}\n\n", type, dump(json));
  }
  // Of the part that is open.
  std::string part_event(const char* type, Json rest) {
    Json json = {{"item_id", item_}, {"output_index", output_.size()}};
    json[open_ == Open::kThought ? "summary_index" : "content_index"] = 0;
    json.update(rest);
    return event(type, std::move(json));
  }
  std::string open(Open what) {
    if (open_ == what) return "";
    std::string text = close();
    open_ = what;
    const bool thought = what == Open::kThought;
    item_ = fresh_id(thought ? "rs_" : "msg_");
    const Json item =
        thought ? reasoning_item(item_, "") : message_item(item_, "in_progress", Json::array());
    text += event("response.output_item.added", {{"output_index", output_.size()}, {"item", item}});
    if (thought)
      return text + part_event("response.reasoning_summary_part.added",
                               {{"part", {{"type", "summary_text"}, {"text", ""}}}});
    return text + part_event("response.content_part.added", {{"part", text_part("")}});
  }
  std::string close() {
    const Open was = open_;
    const std::string said = std::exchange(said_, {});
    std::string text;
    if (was == Open::kThought) {
      text += part_event("response.reasoning_summary_text.done", {{"text", said}});
      text += part_event("response.reasoning_summary_part.done",
                         {{"part", {{"type", "summary_text"}, {"text", said}}}});
    } else if (was == Open::kText) {
      text +=
          part_event("response.output_text.done", {{"text", said}, {"logprobs", Json::array()}});
      text += part_event("response.content_part.done", {{"part", text_part(said)}});
    }
    open_ = Open::kNothing;
    if (was == Open::kThought) return text + done(reasoning_item(item_, said));
    if (was == Open::kText)
      return text + done(message_item(item_, "completed", Json::array({text_part(said)})));
    return text;
  }
  std::string done(const Json& item) {
    std::string text =
        event("response.output_item.done", {{"output_index", output_.size()}, {"item", item}});
    output_.push_back(item);
    return text;
  }

  Json head_, output_ = Json::array();
  Open open_ = Open::kNothing;
  std::string item_, said_;  // of what is open
  int64_t number_ = 0;
};

}  // namespace

std::variant<ResponsesAsk, Problem> read_responses(const Json& body) {
  ResponsesAsk r;
  Ask& ask = r.ask;
  Fields f(body);
  read_model(f, ask);
  if (const auto x = f.integer("seed", INT64_MIN, INT64_MAX))  // ours: Responses has none
    ask.sampling.seed = static_cast<uint64_t>(*x);
  if (const auto x = f.integer("max_output_tokens", 1, int64_t{1} << 31))
    ask.params.max_tokens = *x;
  ask.stream = f.boolean("stream").value_or(false);
  f.boolean("store");
  refuse_kept(f);
  if (const Json* reasoning = f.object("reasoning")) {
    Fields inner(*reasoning, "reasoning.");
    const auto effort =
        inner.choice("effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"});
    if (effort) set_effort(*effort, ask);
    inner.choice("summary", {"auto", "concise", "detailed"});
    f.take(inner);
  }
  if (const Json* text = f.object("text")) {
    Fields inner(*text, "text.");
    if (const Json* format = inner.object("format"))
      read_format(inner, "text.format", *format, ask);
    f.take(inner);
  }
  read_flat_tools(f, ask.tools);
  f.choice("truncation", {"disabled"});
  const Json* included = f.list("include");
  for (const Json& what : included ? *included : Json::array())
    if (what == "message.output_text.logprobs")
      f.refuse("include", "include: log-probabilities are given by /v1/chat/completions");
  if (f.integer("top_logprobs", 0, 20).value_or(0) > 0)
    f.refuse("top_logprobs", "top_logprobs: they are given by /v1/chat/completions");
  ask.user = f.text("user").value_or("");
  f.ignore({"metadata", "service_tier", "safety_identifier", "prompt_cache_key",
            "prompt_cache_retention", "parallel_tool_calls", "stream_options", "max_tool_calls"});
  if (auto messages = plain_messages(f); messages && !f.problem()) {
    const Json wrapped = {{"messages", *std::move(messages)}};
    Fields inner(wrapped);
    if (auto read = read_messages(inner, false)) ask.messages = std::move(read->messages);
    f.take(inner);
  }
  if (const auto name = f.unknown())
    f.refuse(*name, "Unrecognized request argument supplied: " + *name, 400, "unknown_parameter");
  if (f.problem()) return *f.problem();
  for (const auto& [name, otherwise] : {std::pair<const char*, Json>{"instructions", nullptr},
                                        {"max_output_tokens", nullptr},
                                        {"metadata", Json::object()},
                                        {"parallel_tool_calls", true},
                                        {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
                                        {"temperature", nullptr},
                                        {"text", {{"format", {{"type", "text"}}}}},
                                        {"tool_choice", "auto"},
                                        {"tools", Json::array()},
                                        {"top_p", nullptr},
                                        {"truncation", "disabled"}}) {
    const Json* given = f.find(name);
    r.echo[name] = given ? *given : otherwise;
  }
  return r;
}

void openai_responses(App& app, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  auto asked = read_body(request, *reply, openai_refusal, read_responses);
  if (!asked) return;
  MakeVoice voice = [name = asked->ask.model, echo = std::move(asked->echo)](const Lease&) {
    return std::make_unique<ResponsesVoice>(name, echo);
  };
  answer(app, request, std::move(asked->ask), std::move(voice), openai_refusal, std::move(reply));
}

}  // namespace r1
