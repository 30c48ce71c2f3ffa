#include "cli/conversation.h"

#include "cli/chat_options.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kDeepest = 32;

// The text at `key`, "" where it is absent.
Result<std::string> text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::string();
  if (!found->is_string()) return error("{}: must be a text, found {}", key, found->type_name());
  return found->get<std::string>();
}

Result<Message> message_from(const Json& json) {
  if (!json.is_object()) return error("must be an object, found {}", json.type_name());
  Message message;
  R1_TRY(message.role, text_at(json, "role"));
  if (message.role != "user" && message.role != "assistant")
    return error("role {:?}: must be user or assistant", message.role);
  if (!json.contains("content")) return error("content: missing");
  R1_TRY(message.content, text_at(json, "content"));
  R1_TRY(message.thought, text_at(json, "thought"));
  return message;
}

}  // namespace

Json Conversation::for_template() const {
  Json list = Json::array();
  if (!system.empty()) list.push_back({{"role", "system"}, {"content", system}});
  for (const Message& m : messages) list.push_back({{"role", m.role}, {"content", m.content}});
  return list;
}

std::string Conversation::to_json() const {
  Json json = {{"model", model}};
  if (!system.empty()) json["system"] = system;
  json["think"] = name(think);
  json["parameters"] = parameters.to_json();
  json["messages"] = Json::array();
  for (const Message& m : messages) {
    Json message = {{"role", m.role}, {"content", m.content}};
    if (!m.thought.empty()) message["thought"] = m.thought;
    json["messages"].push_back(std::move(message));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Result<Conversation> Conversation::from_json(std::string_view text) {
  bool too_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || static_cast<size_t>(depth) > kDeepest;
    return !too_deep;
  };
  const Json json = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (too_deep) return error("nested deeper than {}", kDeepest);
  if (json.is_discarded()) return error("not a JSON text");
  if (!json.is_object()) return error("must be a JSON object, found {}", json.type_name());

  Conversation conversation;
  R1_TRY(conversation.model, text_at(json, "model"));
  R1_TRY(conversation.system, text_at(json, "system"));
  R1_TRY(const std::string think, text_at(json, "think"));
  if (!think.empty()) {
    const auto parsed = parse_think(think);
    if (!parsed) return error("think {:?}: must be auto, on or off", think);
    conversation.think = *parsed;
  }
  if (json.contains("parameters")) {
    R1_TRY(conversation.parameters, ParameterValues::from_json(json["parameters"]));
  }
  const auto messages = json.find("messages");
  if (messages == json.end() || !messages->is_array()) return error("messages: must be a list");
  for (size_t i = 0; i < messages->size(); ++i) {
    auto message = message_from((*messages)[i]);
    if (!message) return std::move(message).error().in(fmt::format("messages[{}]", i));
    conversation.messages.push_back(*std::move(message));
  }
  return conversation;
}

}  // namespace r1
