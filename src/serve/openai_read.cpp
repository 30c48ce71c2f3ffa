// OpenAI's and DeepSeek's requests.
#include <algorithm>

#include "serve/dialects.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostTokens = int64_t{1} << 31;
void refuse_unless_empty(Fields& fields, const char* name, std::string_view what) {
  const Json* value = fields.find(name);
  if (value && !(value->is_array() && value->empty()))
    fields.refuse(name, fmt::format("{}: {}", name, what), 400, "unsupported_parameter");
}

void read_sampling(Fields& f, OpenAiAsk& o) {
  o.ask.user = f.text("user").value_or("");
  Ask& ask = o.ask;
  read_model(f, ask);
  if (const auto x = f.number("min_p", 0, 1)) ask.sampling.min_p = static_cast<float>(*x);
  if (const auto x = f.integer("top_k", -1, 1 << 30))
    ask.sampling.top_k = std::max(static_cast<int32_t>(*x), 0);
  if (const auto x = f.number("presence_penalty", -2, 2))
    ask.sampling.presence = static_cast<float>(*x);
  if (const auto x = f.number("frequency_penalty", -2, 2))
    ask.sampling.frequency = static_cast<float>(*x);
  if (const auto x = f.number("repetition_penalty", 0.01, 100))
    ask.sampling.repetition = static_cast<float>(*x);
  ask.sampling.logit_bias = read_logit_bias(f);
  if (const auto x = f.integer("seed", INT64_MIN, INT64_MAX))
    ask.sampling.seed = static_cast<uint64_t>(*x);
  if (const auto x = f.integer("n", 1, 128)) ask.n = static_cast<int>(*x);
  ask.params.stop = read_stop(f, "stop", 16);
  ask.stream = f.boolean("stream").value_or(false);
  if (const Json* stream = f.object("stream_options")) {
    Fields inner(*stream, "stream_options.");
    o.include_usage = inner.boolean("include_usage").value_or(false);
    o.continuous_usage = inner.boolean("continuous_usage_stats").value_or(false);
    inner.ignore({"include_obfuscation"});
    f.take(inner);
    if (!ask.stream) f.refuse("stream_options", "stream_options: only with stream: true");
  }
  for (const char* name : {"max_tokens", "max_completion_tokens"})
    if (const auto x = f.integer(name, 1, kMostTokens)) ask.params.max_tokens = *x;
}

void read_thinking(Fields& f, Ask& ask) {
  if (const auto effort = f.choice("reasoning_effort",
                                   {"none", "minimal", "low", "medium", "high", "xhigh", "max"}))
    set_effort(*effort, ask);
  if (const Json* thinking = f.object("thinking")) {
    Fields inner(*thinking, "thinking.");
    const auto type = inner.choice("type", {"enabled", "disabled", "auto"});
    if (type == "enabled") ask.think = Think::kOn;
    if (type == "disabled") ask.think = Think::kOff;
    if (const auto x = inner.integer("budget_tokens", 0, kMostTokens)) ask.params.think_budget = *x;
    inner.ignore({"reasoning_effort"});
    f.take(inner);
  }
  if (const auto x = f.integer("thinking_budget", 0, kMostTokens)) ask.params.think_budget = *x;
  if (const Json* arguments = f.object("chat_template_kwargs")) {
    Fields inner(*arguments, "chat_template_kwargs.");
    for (const char* name : {"enable_thinking", "thinking"})
      if (const auto on = inner.boolean(name)) ask.think = *on ? Think::kOn : Think::kOff;
    if (const auto name = inner.unknown())
      f.refuse(*name, *name + ": only enable_thinking is understood");
    f.take(inner);
  }
}

// What the real service does with fields it does not know: OpenAI's refuses, DeepSeek's ignores.
void check_unknown(Fields& f, bool deepseek) {
  f.ignore({"metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
            "prompt_cache_retention", "verbosity", "parallel_tool_calls", "prediction"});
  if (deepseek) return;
  if (const auto name = f.unknown())
    f.refuse(*name, "Unrecognized request argument supplied: " + *name, 400, "unknown_parameter");
}

}  // namespace

std::variant<OpenAiAsk, Problem> read_openai_chat(const Json& body, bool deepseek, bool strict) {
  OpenAiAsk o;
  Ask& ask = o.ask;
  Fields f(body);
  read_sampling(f, o);
  const bool reasoner = ask.model == "deepseek-reasoner";
  o.deepseek = deepseek || reasoner || ask.model == "deepseek-chat";
  if (ask.model == "deepseek-chat") ask.think = Think::kOff;
  read_thinking(f, ask);

  o.logprobs = f.boolean("logprobs").value_or(false);
  const auto top = f.integer("top_logprobs", 0, 20);
  if (top && !o.logprobs) f.refuse("top_logprobs", "top_logprobs: only with logprobs: true");
  if (o.logprobs) ask.params.top_logprobs = static_cast<int>(top.value_or(0));
  if (reasoner) {
    if (o.logprobs) f.refuse("logprobs", "logprobs: deepseek-reasoner does not give them");
    const auto seed = ask.sampling.seed;  // these have no effect there, by DeepSeek's own word
    ask.sampling = {};
    ask.sampling.seed = seed;
  }

  for (const char* name : {"functions", "function_call"})
    refuse_unless_empty(f, name, "OpenAI's first form is not taken; use tools and tool_choice");
  read_tools(f, ask.tools);
  read_tool_choice(f, ask.tools);
  if (const Json* format = f.object("response_format"))
    read_format(f, "response_format", *format, ask);
  for (const char* name : {"modalities", "audio", "web_search_options"})
    if (const Json* value = f.find(name); value && *value != Json::array({"text"}))
      f.refuse(name, fmt::format("{}: text is all that is offered here", name), 400,
               "unsupported_parameter");

  if (auto read = read_messages(f, strict)) {
    ask.messages = std::move(read->messages);
    ask.begun = std::move(read->begun);
    if (ask.begun && (ask.params.grammar || ask.tools.wish == Tools::Wish::kMust))
      f.refuse("messages", "messages: a prefix leaves no room for response_format and tool_choice");
    if (ask.begun && ask.begun->thought.empty() && !ask.begun->answer.empty() &&
        ask.think == Think::kOn)
      f.refuse("thinking", "thinking: a prefix without reasoning_content begins the answer");
  }
  check_unknown(f, o.deepseek);
  if (f.problem()) return *f.problem();
  return o;
}

std::variant<OpenAiAsk, Problem> read_openai_completion(const Json& body, bool deepseek) {
  OpenAiAsk o;
  o.deepseek = deepseek;
  Ask& ask = o.ask;
  Fields f(body);
  read_sampling(f, o);
  ask.params.split_thought = false;
  if (ask.params.max_tokens < 0) ask.params.max_tokens = 16;  // OpenAI's default
  if (const auto x = f.integer("logprobs", 0, 20)) {
    o.logprobs = true;
    ask.params.top_logprobs = static_cast<int>(*x);
  }
  o.echo = f.boolean("echo").value_or(false);
  if (o.echo && o.logprobs) f.refuse("echo", "echo: not together with logprobs");
  if (const auto x = f.integer("best_of", 1, 128); x && *x != ask.n)
    f.refuse("best_of", "best_of: only the value of n is taken");
  if (const auto suffix = f.text("suffix"); suffix && !suffix->empty())
    f.refuse("suffix", "suffix: filling in is not offered here", 400, "unsupported_parameter");

  read_texts(f, "prompt", 128, ask.texts);
  check_unknown(f, deepseek);
  if (f.problem()) return *f.problem();
  return o;
}

}  // namespace r1
