// What the dialects' readers and voices share.
#include <fmt/chrono.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "serve/dialects.h"

namespace r1 {

using Json = nlohmann::ordered_json;

namespace {

// A content's text: a string, or parts of which only texts are understood. null is "".
std::optional<std::string> read_content(Fields& fields, const Json* content,
                                        const std::string& where) {
  if (!content) return "";
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) {
    fields.refuse(where, fmt::format("{}: a string or a list of parts is wanted, found {}", where,
                                     content->type_name()));
    return std::nullopt;
  }
  std::string text;
  for (size_t i = 0; i < content->size(); ++i) {
    const Json& part = (*content)[i];
    const auto type = part.is_object() ? part.find("type") : part.end();
    if (!part.is_object() || type == part.end() || !type->is_string()) {
      fields.refuse(where, fmt::format("{}[{}]: an object with a type is wanted", where, i));
      return std::nullopt;
    }
    if (*type == "thinking" || *type == "redacted_thinking") continue;  // said before: dropped
    if (*type != "text" || !part.contains("text") || !part["text"].is_string()) {
      fields.refuse(
          where, fmt::format("{}[{}]: only parts of type text are understood here, found {}", where,
                             i, dump(*type)));
      return std::nullopt;
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

}  // namespace

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string rfc3339(int64_t seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::optional<ReadMessages> read_messages(Fields& fields, bool strict) {
  const Json* list = fields.list("messages");
  if (!list || list->empty()) {
    fields.refuse("messages", "messages: a list with at least one message is wanted");
    return std::nullopt;
  }
  ReadMessages read{.messages = Json::array(), .begun = {}};
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    if (!(*list)[i].is_object()) {
      fields.refuse(where, where + ": an object with role and content is wanted");
      return std::nullopt;
    }
    Fields message((*list)[i], where + ".");
    auto role = message.choice("role", {"system", "developer", "user", "assistant", "tool"});
    auto content = read_content(fields, message.find("content"), where + ".content");
    const auto thought = message.find("reasoning_content") ? message.text("reasoning_content")
                                                           : message.text("reasoning");
    const bool continued = message.boolean("prefix").value_or(false);
    const Json* calls = message.list("tool_calls");
    const Json* images = message.list("images");
    if (!role) message.refuse("role", where + ".role is missing");
    if (images && !images->empty())
      message.refuse("images", where + ".images: the model sees no images");
    if (continued && (role != "assistant" || i + 1 != list->size()))
      message.refuse("prefix",
                     where + ".prefix: only the last message may have it, an assistant's");
    if (thought && strict && !continued) {
      message.refuse("reasoning_content",
                     where + ".reasoning_content: thoughts must not be sent back; leave it out");
    }
    fields.take(message);
    if (fields.problem()) return std::nullopt;
    if (continued) {
      read.begun = Begun{.thought = thought.value_or(""), .answer = *content};
      continue;
    }
    Json plain = {{"role", *role == "developer" ? "system" : *role},
                  {"content", *std::move(content)}};
    if (calls && !calls->empty()) plain["tool_calls"] = *calls;
    for (const char* name : {"name", "tool_call_id", "tool_name"})
      if (const auto text = message.text(name)) plain[name] = *text;
    read.messages.push_back(std::move(plain));
  }
  if (read.messages.empty()) {
    fields.refuse("messages", "messages: before a prefix there must be a message");
    return std::nullopt;
  }
  return read;
}

std::vector<std::string> read_stop(Fields& fields, const char* name, size_t most) {
  const Json* value = fields.find(name);
  std::vector<std::string> stops;
  if (!value) return stops;
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > most)
    fields.refuse(name,
                  fmt::format("{} has {} texts, at most {} are taken", name, list.size(), most));
  for (const Json& stop : list) {
    if (!stop.is_string() || stop.get_ref<const std::string&>().empty()) {
      fields.refuse(name, fmt::format("{}: texts that are not empty are wanted", name));
      return {};
    }
    stops.push_back(stop.get<std::string>());
  }
  return stops;
}

std::vector<std::pair<int32_t, float>> read_logit_bias(Fields& fields) {
  std::vector<std::pair<int32_t, float>> biases;
  const Json* map = fields.object("logit_bias");
  if (!map) return biases;
  if (map->size() > 1024) fields.refuse("logit_bias", "logit_bias: at most 1024 ids are taken");
  for (const auto& [key, value] : map->items()) {
    int32_t id = -1;
    const char* end = key.data() + key.size();
    const auto [stop, failure] = std::from_chars(key.data(), end, id);
    const double bias = value.is_number() ? value.get<double>() : NAN;
    if (failure != std::errc{} || stop != end || id < 0 || !(bias >= -100 && bias <= 100)) {
      fields.refuse("logit_bias",
                    fmt::format("logit_bias {}: {}: a token id and a number from -100 "
                                "to 100 are wanted",
                                dump(Json(key)), dump(value).substr(0, 40)));
      return {};
    }
    biases.emplace_back(id, static_cast<float>(bias));
  }
  return biases;
}

Json token_json(const ServedModel& model, const Sampled& token) {
  const auto one = [&](int32_t id, float logprob) {
    const std::string bytes = model.bytes(id);
    Json list = Json::array();
    for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
    return Json{{"token", bytes},
                {"logprob", std::isfinite(logprob) ? std::max(logprob, -9999.0f) : -9999.0f},
                {"bytes", std::move(list)}};
  };
  Json json = one(token.id, token.logprob);
  Json& top = json["top_logprobs"] = Json::array();
  for (const TokenLogprob& t : token.top) top.push_back(one(t.id, t.logprob));
  return json;
}

}  // namespace r1
