// What the dialects' readers and voices share.
#include <fmt/chrono.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

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

// Seconds, or Go's durations: "5m", "1h30m", "1500ms", "-1"; below 0: for ever.
std::optional<double> parse_keep_alive(const Json& value) {
  if (value.is_number()) return value.get<double>();
  if (!value.is_string()) return std::nullopt;
  std::string_view text = value.get_ref<const std::string&>();
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  double seconds = 0;
  bool any = false;
  while (!text.empty()) {
    const std::string rest(text.substr(0, 40));
    char* end = nullptr;
    if (!std::isdigit(static_cast<unsigned char>(rest[0])) && rest[0] != '.') return std::nullopt;
    const double n = std::strtod(rest.c_str(), &end);
    text.remove_prefix(static_cast<size_t>(end - rest.c_str()));
    double unit = -1;
    for (const auto& [name, worth] :
         {std::pair{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"h", 3600.}, {"m", 60.}, {"s", 1.}}) {
      if (!text.starts_with(name)) continue;
      text.remove_prefix(std::string_view(name).size());
      unit = worth;
      break;
    }
    if (unit < 0 && (any || !text.empty())) return std::nullopt;
    seconds += n * (unit < 0 ? 1 : unit);
    any = true;
  }
  if (!any || !std::isfinite(seconds)) return std::nullopt;
  return negative ? -seconds : seconds;
}

void set_grammar(Fields& fields, const std::string& where, const Json& spec, Ask& ask) {
  auto grammar = make_grammar(spec);
  if (grammar)
    ask.params.grammar = *std::move(grammar);
  else
    fields.refuse(where, grammar.error().message);
}

}  // namespace

void read_schema(Fields& fields, const std::string& where, const Json& schema, Ask& ask) {
  set_grammar(fields, where, {{"json_schema", schema}}, ask);
  ask.schema = schema;
}

void read_format(Fields& fields, const std::string& where, const Json& format, Ask& ask) {
  Fields inner(format, where + ".");
  const auto type =
      inner.choice("type", {"text", "json_object", "json_schema", "grammar", "regex"});
  if (!type && !inner.problem()) inner.refuse("type", where + ".type is missing");
  if (type == "json_object") read_schema(inner, "type", {{"type", "object"}}, ask);
  if (type == "json_schema") {
    // Chat completions have it within an object of its own, Responses beside the type.
    const Json* wrapped = inner.object("json_schema");
    Fields named(wrapped ? *wrapped : format, wrapped ? where + ".json_schema." : where + ".");
    named.ignore({"type", "name", "description", "strict", "json_schema"});
    const Json* schema = named.object("schema");
    if (!schema)
      named.refuse("schema", fmt::format("{}: a JSON schema is wanted", where));
    else
      read_schema(named, "schema", *schema, ask);
    if (const auto name = named.unknown()) named.refuse("schema", *name + " is not understood");
    inner.take(named);
    inner.ignore({"name", "description", "strict", "schema"});
  }
  for (const auto& [kind, spec] : {std::pair{"grammar", "gbnf"}, {"regex", "regex"}}) {
    const auto text = type == kind ? inner.text(kind) : std::nullopt;
    if (type == kind && !text && !inner.problem())
      inner.refuse(kind, fmt::format("{}.{}: a text is wanted", where, kind));
    if (text) set_grammar(inner, kind, {{spec, *text}}, ask);
  }
  fields.take(inner);
}

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
    auto calls = read_tool_calls(message);
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
    if (calls) plain["tool_calls"] = *std::move(calls);
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

void read_keep_alive(Fields& fields, std::optional<double>& keep_alive) {
  const Json* given = fields.find("keep_alive");
  if (!given) return;
  keep_alive = parse_keep_alive(*given);
  if (!keep_alive)
    fields.refuse("keep_alive", "keep_alive: seconds or a duration such as \"5m\" is wanted");
}

void set_effort(const std::string& effort, Ask& ask) {
  if (effort == "none" || effort == "minimal") ask.think = Think::kOff;
  if (ask.params.think_budget >= 0) return;  // said in tokens
  if (effort == "low") ask.params.think_budget = 1024;
  if (effort == "medium") ask.params.think_budget = 4096;
}

void read_texts(Fields& f, const char* name, size_t most, std::vector<Text>& texts) {
  const Json* given = f.find(name);
  const auto ids = [](const Json& list) -> std::optional<Text> {
    std::vector<int32_t> all;
    for (const Json& id : list) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() > INT32_MAX) return std::nullopt;
      all.push_back(id.get<int32_t>());
    }
    return all;
  };
  const auto add = [&](const Json& one) {
    std::optional<Text> text;
    if (one.is_string()) text = one.get<std::string>();
    if (one.is_array() && !one.empty()) text = ids(one);
    if (text)
      texts.push_back(*std::move(text));
    else
      f.refuse(name,
               fmt::format("{}: a text, a list of token ids, or a list of these is wanted", name));
  };
  if (given && given->is_array() && !given->empty() && !(*given)[0].is_number()) {
    if (given->size() > most)
      return f.refuse(name, fmt::format("{}: at most {} are taken at once", name, most));
    for (const Json& one : *given) add(one);
  } else {
    add(given ? *given : Json());
  }
}

void read_model(Fields& fields, Ask& ask) {
  ask.model = fields.text("model").value_or("");
  if (ask.model.empty()) fields.refuse("model", "model: the name of a model is wanted");
  if (const auto x = fields.number("temperature", 0, 2))
    ask.sampling.temperature = static_cast<float>(*x);
  if (const auto x = fields.number("top_p", 0, 1))
    ask.sampling.top_p = std::max(static_cast<float>(*x), 1e-6f);
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
