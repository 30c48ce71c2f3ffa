#include "infer/prompt.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "infer/generation.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthLimit = 100;  // of a message's values, as templates have it

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Whether `name` stands in the template as a variable: a word that is no attribute and no string.
bool takes_variable(std::string_view source, std::string_view name) {
  for (size_t at = source.find(name); at != source.npos; at = source.find(name, at + 1)) {
    const char before = at > 0 ? source[at - 1] : ' ';
    const char after = at + name.size() < source.size() ? source[at + name.size()] : ' ';
    if (!is_word(before) && !is_word(after) &&
        std::string_view(".'\"").find(before) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

// Every string inside, and every key, with its spelled-out control tokens broken.
Result<Json> protect(const Tokenizer& tokenizer, const Json& value, int depth = 0) {
  if (depth > kDepthLimit) return error("a message is nested more than {} deep", kDepthLimit);
  if (value.is_string()) return Json(tokenizer.protect(value.get_ref<const std::string&>()));
  if (value.is_array()) {
    Json copy = Json::array();
    for (const auto& item : value) {
      R1_TRY(auto item_copy, protect(tokenizer, item, depth + 1));
      copy.push_back(std::move(item_copy));
    }
    return copy;
  }
  if (value.is_object()) {
    Json copy = Json::object();
    for (const auto& [key, item] : value.items()) {
      R1_TRY(auto item_copy, protect(tokenizer, item, depth + 1));
      copy[tokenizer.protect(key)] = std::move(item_copy);
    }
    return copy;
  }
  return value;
}

Result<void> check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty())
    return error("messages must be a list with at least one message");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    if (!message.is_object())
      return error("message {} is not an object with \"role\" and \"content\"", i);
    if (!message.contains("role") || !message["role"].is_string())
      return error("message {} has no role", i);
  }
  return {};
}

// How templates want an assistant's calls of tools: DeepSeek's knows a message with calls by its
// null content and joins arguments as text, Qwen's writes an object as JSON.
enum class CallStyle { kNullAndObject, kNullAndText, kTextAndObject };

// As a template would write it.
std::string json_text(const Json& json) {
  static const auto kWriter = ChatTemplate::parse("{{ json | tojson }}");
  const auto text = kWriter->render({{"json", json}});
  return text ? *text : json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json with_calls(Json messages, CallStyle style) {
  for (Json& message : messages) {
    const auto calls = message.find("tool_calls");
    if (calls == message.end() || !calls->is_array()) continue;
    const auto content = message.find("content");
    if (style != CallStyle::kTextAndObject && content != message.end() && *content == "")
      *content = nullptr;
    if (style != CallStyle::kNullAndText) continue;
    for (Json& call : *calls) {
      if (!call.is_object() || !call.contains("function")) continue;
      Json& function = call["function"];
      if (!function.is_object() || !function.contains("arguments")) continue;
      Json& arguments = function["arguments"];
      if (arguments.is_object()) arguments = json_text(arguments);
    }
  }
  return messages;
}

bool has_calls(const Json& messages) {
  return std::ranges::any_of(messages, [](const Json& m) { return m.contains("tool_calls"); });
}

// What the assistant said stays as it is: templates cut its thoughts at the tags.
Result<Json> protect_messages(const Tokenizer& tokenizer, const Json& messages) {
  Json copy = Json::array();
  for (const Json& message : messages) {
    R1_TRY(Json safe, protect(tokenizer, message));
    if (message["role"] == "assistant") {
      for (const char* said : {"content", "reasoning_content", "thinking"}) {
        if (message.contains(said)) safe[said] = message[said];
      }
    }
    copy.push_back(std::move(safe));
  }
  return copy;
}

Result<std::string> last_user_text(const Json& messages) {
  for (size_t i = messages.size(); i-- > 0;) {
    if (messages[i]["role"] != "user") continue;
    if (!messages[i].contains("content") || !messages[i]["content"].is_string()) break;
    return messages[i]["content"].get<std::string>();
  }
  return error(
      "the model has no chat template and completes the last user message: there is none with a "
      "text");
}

bool ends_in(std::string_view text, std::string_view tag) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text.ends_with(tag);
}

bool ends_in_open_thought(std::string_view text) { return ends_in(text, kOpenThought); }

}  // namespace

std::string readable(std::string rendered) {
  std::erase(rendered, Tokenizer::kLiteral);
  return rendered;
}

PromptBuilder::PromptBuilder(const ChatTemplate* chat_template, const Tokenizer* tokenizer,
                             std::string model)
    : template_(chat_template), tokenizer_(tokenizer), model_(std::move(model)) {
  reasoning_ = (template_ && template_->source().find(kOpenThought) != std::string::npos) ||
               (tokenizer_ && tokenizer_->find(kOpenThought));
}

Result<std::string> PromptBuilder::render(const Json& messages, Think think, const Json* tools,
                                          bool generation_prompt) const {
  if (!tokenizer_) return error("'{}' has no tokenizer: it works on token ids only", model_);
  if (think == Think::kOn && !reasoning_) return error("'{}' does not support thinking", model_);
  R1_DO(check_messages(messages));
  R1_TRY(Json safe, protect_messages(*tokenizer_, messages));

  std::string text;
  bool told = think == Think::kAuto || !reasoning_;  // how to think
  if (template_) {
    Json variables = {{"messages", std::move(safe)},
                      {"add_generation_prompt", generation_prompt},
                      {"tools", nullptr}};
    if (tools) {
      R1_TRY(Json safe_tools, protect(*tokenizer_, *tools));
      variables["tools"] = std::move(safe_tools);
    }
    const auto name_token = [&](const char* name, std::optional<int32_t> id) {
      if (id) variables[name] = std::string(tokenizer_->bytes(*id));
    };
    name_token("bos_token", tokenizer_->bos());
    name_token("eos_token", tokenizer_->eos());
    name_token("pad_token", tokenizer_->pad());
    if (!told) {
      for (const char* name : {"enable_thinking", "thinking"}) {
        if (!takes_variable(template_->source(), name)) continue;
        variables[name] = think == Think::kOn;
        told = true;
      }
    }
    const bool calls = has_calls(variables["messages"]);
    const Json plain = calls ? variables["messages"] : Json();
    if (calls) variables["messages"] = with_calls(plain, CallStyle::kNullAndObject);
    auto rendered = template_->render(variables);
    for (const CallStyle style : {CallStyle::kNullAndText, CallStyle::kTextAndObject}) {
      if (rendered || !calls) break;
      variables["messages"] = with_calls(plain, style);
      rendered = template_->render(variables);
    }
    R1_TRY(text, std::move(rendered));
  } else {
    if (tools && !tools->empty())
      return error("'{}' has no chat template and cannot use tools", model_);
    R1_TRY(text, last_user_text(safe));
  }
  if (!told) {
    const bool open = ends_in_open_thought(text);
    if (think == Think::kOn && !open) text += "<think>\n";
    if (think == Think::kOff) text += open ? "\n</think>\n\n" : "<think>\n\n</think>\n\n";
  }
  return text;
}

bool PromptBuilder::takes_tools() const {
  return template_ && takes_variable(template_->source(), "tools");
}

Result<std::string> PromptBuilder::continued(std::string rendered, const Begun& begun) const {
  if (!begun.thought.empty() && !reasoning_) return error("'{}' does not support thinking", model_);
  const bool open = ends_in_open_thought(rendered);
  if (!begun.thought.empty()) {
    if (!open) rendered += "<think>\n";
    rendered += tokenizer_->protect(begun.thought);
  }
  if (begun.answer.empty()) return rendered;
  if (open || !begun.thought.empty()) rendered += "\n</think>\n\n";
  return rendered + tokenizer_->protect(begun.answer);
}

bool PromptBuilder::thinking(std::string_view rendered, const Begun* begun) {
  if (begun && !begun->answer.empty()) return false;
  return ends_in_open_thought(rendered) || (begun && !begun->thought.empty());
}

bool PromptBuilder::may_think(std::string_view rendered, const Begun* begun) const {
  if (begun && (!begun->answer.empty() || !begun->thought.empty())) return false;
  return reasoning_ && !ends_in_open_thought(rendered) && !ends_in(rendered, kCloseThought);
}

std::vector<int32_t> PromptBuilder::encode(std::string_view rendered) const {
  std::vector<int32_t> ids = tokenizer_->encode(rendered, true);
  if (!template_ && tokenizer_->add_bos() && tokenizer_->bos())
    ids.insert(ids.begin(), *tokenizer_->bos());
  return ids;
}

}  // namespace r1
