#include "serve/tools.h"

#include <fmt/format.h>

#include <algorithm>

#include "infer/stop_matcher.h"
#include "serve/answer.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostTools = 128, kLongestName = 128;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// An object, or its text.
std::optional<Json> arguments_of(const Json& given) {
  if (given.is_object()) return given;
  if (!given.is_string()) return std::nullopt;
  const auto& text = given.get_ref<const std::string&>();
  if (trim(text).empty()) return Json::object();
  auto parsed = parse_object(text);
  if (std::holds_alternative<Problem>(parsed)) return std::nullopt;
  return std::get<Json>(std::move(parsed));
}

std::vector<ToolCall> one(std::string_view name, const Json& given) {
  const auto arguments = arguments_of(given);
  if (name.empty() || !arguments) return {};
  return {{.id = fresh_id("call_"), .name = std::string(name), .arguments = *arguments}};
}

// {"name": ..., "arguments" or "parameters": ...}
std::vector<ToolCall> parse_object_call(std::string_view body) {
  const auto parsed = parse_object(body);
  const auto* json = std::get_if<Json>(&parsed);
  if (!json) return {};
  const auto name = json->find("name");
  if (name == json->end() || !name->is_string()) return {};
  for (const char* key : {"arguments", "parameters"})
    if (json->contains(key)) return one(name->get_ref<const std::string&>(), (*json)[key]);
  return {};
}

// DeepSeek: begin TYPE sep NAME, arguments in a block of code, end; V3.1: begin NAME sep ARGUMENTS
// end.
std::vector<ToolCall> parse_deepseek(std::string_view body) {
  constexpr std::string_view kBegin = "<｜tool▁call▁begin｜>", kSeparator = "<｜tool▁sep｜>",
                             kEnd = "<｜tool▁call▁end｜>", kCode = "```json", kFence = "```";
  std::vector<ToolCall> calls;
  for (size_t at = body.find(kBegin); at != body.npos; at = body.find(kBegin)) {
    body.remove_prefix(at + kBegin.size());
    const std::string_view inner = body.substr(0, body.find(kEnd));
    const size_t separator = inner.find(kSeparator);
    if (separator == inner.npos) return {};
    std::string_view name = trim(inner.substr(0, separator));
    std::string_view arguments = trim(inner.substr(separator + kSeparator.size()));
    if (const size_t code = arguments.find(kCode); code != arguments.npos) {
      name = trim(arguments.substr(0, code));
      arguments.remove_prefix(code + kCode.size());
      arguments = trim(arguments.substr(0, arguments.rfind(kFence)));
    }
    auto call = one(name, Json(arguments));
    if (call.empty()) return {};
    calls.push_back(std::move(call[0]));
  }
  return calls;
}

constexpr ToolFormat kFormats[] = {
    {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>", "\n```json\n",
     "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", parse_deepseek},
    {"<tool_call>", "<tool_call>", "</tool_call>",  // Hermes, Qwen
     "<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>", parse_object_call},
    {"{\"name\": function name, \"parameters\":", "", "",  // Llama 3
     "{\"name\": \"", "\", \"parameters\": ", "}", parse_object_call},
};

}  // namespace

bool Tools::has(std::string_view name) const {
  return std::ranges::any_of(list, [&](const Json& t) { return t["function"]["name"] == name; });
}

void read_tools(Fields& fields, Tools& tools) {
  const Json* list = fields.list("tools");
  if (!list) return;
  if (list->size() > kMostTools)
    fields.refuse("tools", fmt::format("tools has {} entries, at most {} are taken", list->size(),
                                       kMostTools));
  for (size_t i = 0; i < list->size() && !fields.problem(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const Json& given = (*list)[i];
    if (!given.is_object()) return fields.refuse(where, where + ": an object is wanted");
    Fields tool(given, where + ".");
    tool.choice("type", {"function"});
    const Json* function = tool.object("function");
    if (!function) tool.refuse("function", where + ".function is missing");
    fields.take(tool);
    if (fields.problem()) return;
    Fields inner(*function, where + ".function.");
    const auto name = inner.text("name").value_or("");
    const auto known = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-' || c == '.' || c == ':';
    };
    if (name.empty() || name.size() > kLongestName || !std::ranges::all_of(name, known))
      inner.refuse("name",
                   fmt::format("{}.function.name: 1 to {} letters, digits, _ and - are wanted",
                               where, kLongestName));
    const auto description = inner.text("description");
    const Json* parameters = inner.object("parameters");
    inner.ignore({"strict"});
    if (tools.has(name)) inner.refuse("name", where + ".function.name: there are two of this name");
    fields.take(inner);
    Json plain = {{"name", name}};
    if (description) plain["description"] = *description;
    plain["parameters"] =
        parameters ? *parameters : Json{{"type", "object"}, {"properties", Json::object()}};
    tools.list.push_back({{"type", "function"}, {"function", std::move(plain)}});
  }
}

void read_tool_choice(Fields& fields, Tools& tools) {
  const Json* choice = fields.find("tool_choice");
  if (!choice) return;
  if (choice->is_object()) {
    const auto function = choice->find("function");
    const Json& named = function != choice->end() && function->is_object() ? *function : *choice;
    const auto name = named.find("name");
    if (name == named.end() || !name->is_string() ||
        !tools.has(name->get_ref<const std::string&>()))
      return fields.refuse("tool_choice", "tool_choice: the name of one of the tools is wanted");
    tools.named = name->get<std::string>();
    tools.wish = Tools::Wish::kMust;
    return;
  }
  const auto wish = fields.choice("tool_choice", {"auto", "none", "required"});
  if (wish == "none") tools.wish = Tools::Wish::kNone;
  if (wish == "required") tools.wish = Tools::Wish::kMust;
  if (wish == "required" && tools.list.empty())
    fields.refuse("tool_choice", "tool_choice: only with tools");
}

std::optional<Json> read_tool_calls(Fields& message) {
  const Json* calls = message.list("tool_calls");
  if (!calls || calls->empty()) return std::nullopt;
  Json plain = Json::array();
  for (const Json& call : *calls) {
    const auto function = call.is_object() ? call.find("function") : call.end();
    const bool fits = call.is_object() && function != call.end() && function->is_object() &&
                      function->contains("name") && (*function)["name"].is_string();
    const auto arguments =
        fits ? arguments_of(function->value("arguments", Json::object())) : std::nullopt;
    if (!arguments) {
      message.refuse("tool_calls",
                     "tool_calls: each is wanted as a function with a name and a JSON object of "
                     "arguments");
      return std::nullopt;
    }
    Json one_call = {{"type", "function"},
                     {"function", {{"name", (*function)["name"]}, {"arguments", *arguments}}}};
    if (const auto id = call.find("id"); id != call.end() && id->is_string()) one_call["id"] = *id;
    plain.push_back(std::move(one_call));
  }
  return plain;
}

const ToolFormat* ToolFormat::of(std::string_view chat_template) {
  for (const ToolFormat& format : kFormats)
    if (chat_template.find(format.in_template) != chat_template.npos) return &format;
  return nullptr;
}

Json call_frames(const ToolFormat& format, const Tools& tools) {
  Json frames = Json::array();
  for (const Json& tool : tools.list) {
    const Json& function = tool["function"];
    const auto& name = function["name"].get_ref<const std::string&>();
    if (!tools.named.empty() && name != tools.named) continue;
    Json parameters = function["parameters"];
    if (!parameters.contains("type")) parameters["type"] = "object";
    // A schema that no grammar understands still wants an object.
    if (!make_grammar({{"json_schema", parameters}})) parameters = {{"type", "object"}};
    frames.push_back({{"before", std::string(format.before) + name + std::string(format.between)},
                      {"schema", std::move(parameters)},
                      {"after", format.after}});
  }
  return frames;
}

// A body is whole: calls, if it is some of tools that were offered, or else text.
void CallReader::close(std::string_view body, std::string_view raw, Said& said) {
  auto calls = format_->parse(trim(body));
  const bool offered =
      std::ranges::all_of(calls, [this](const ToolCall& call) { return tools_->has(call.name); });
  if (calls.empty() || !offered) {
    said.text += raw;
    begun_ = true;
    return;
  }
  called_ = true;
  std::ranges::move(calls, std::back_inserter(said.calls));
}

CallReader::Said CallReader::feed(std::string_view text) {
  Said said;
  held_ += text;
  if (format_->begin.empty()) {  // the whole answer, if it begins as an object
    const std::string_view all = trim(held_);
    if (begun_ || (!all.empty() && all[0] != '{')) {
      begun_ = true;
      said.text = std::exchange(held_, {});
    }
    return said;
  }
  for (;;) {
    if (!within_) {
      const size_t at = held_.find(format_->begin);
      const size_t end =
          at == held_.npos ? held_.size() - possible_beginning(held_, format_->begin) : at;
      // White space before a call belongs to it.
      size_t text_end = end;
      while (text_end > 0 && is_space(held_[text_end - 1])) --text_end;
      if (text_end > 0) begun_ = true;
      said.text += held_.substr(0, text_end);
      held_.erase(0, at == held_.npos ? text_end : at);
      if (at == held_.npos) return said;
      within_ = true;
    }
    const size_t end = held_.find(format_->end, format_->begin.size());
    if (end == held_.npos) return said;
    const size_t after = end + format_->end.size();
    close(std::string_view(held_).substr(format_->begin.size(), end - format_->begin.size()),
          std::string_view(held_).substr(0, after), said);
    held_.erase(0, after);
    within_ = false;
  }
}

CallReader::Said CallReader::finish() {
  Said said;
  const std::string rest = std::exchange(held_, {});
  const bool whole = format_->begin.empty() && !begun_;
  if (within_ || whole)  // models leave the end out
    close(std::string_view(rest).substr(within_ ? format_->begin.size() : 0), rest, said);
  else if (!called_ || !trim(rest).empty())
    said.text = rest;
  within_ = false;
  return said;
}

}  // namespace r1
