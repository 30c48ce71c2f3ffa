#include "serve/fields.h"

#include <fmt/format.h>

#include <stdexcept>

namespace r1 {

using Json = nlohmann::ordered_json;

std::variant<Json, Problem> parse_object(std::string_view body) {
  struct TooDeep {};
  try {
    Json json = Json::parse(body, [](int depth, Json::parse_event_t, Json&) {
      if (depth > kDeepestJson) throw TooDeep{};
      return true;
    });
    if (json.is_object()) return json;
    return Problem{.message =
                       fmt::format("the body must be a JSON object, found {}", json.type_name())};
  } catch (const TooDeep&) {
    return Problem{.message = fmt::format("the body is nested deeper than {}", kDeepestJson)};
  } catch (const Json::parse_error& e) {
    return Problem{.message = fmt::format("the body is not JSON: wrong at byte {}", e.byte)};
  } catch (const Json::exception&) {
    return Problem{.message = "the body is not JSON: a number is out of range"};
  }
}

const Json* Fields::find(const char* name) {
  asked_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::ignore(std::initializer_list<const char*> names) {
  for (const char* name : names) asked_.insert(name);
}

void Fields::refuse(std::string_view name, std::string message, int status, std::string code) {
  if (problem_) return;
  problem_ = Problem{.status = status,
                     .message = std::move(message),
                     .param = path_ + std::string(name),
                     .code = std::move(code)};
}

std::optional<double> Fields::number(const char* name, double low, double high) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) {
    refuse(name,
           fmt::format("{}{}: a number is wanted, found {}", path_, name, value->type_name()));
    return std::nullopt;
  }
  const double x = value->get<double>();
  if (!(x >= low && x <= high)) {
    refuse(name, fmt::format("{}{} is {}: it must be from {} to {}", path_, name, x, low, high));
    return std::nullopt;
  }
  return x;
}

std::optional<int64_t> Fields::integer(const char* name, int64_t low, int64_t high) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number_integer()) {
    refuse(name, fmt::format("{}{}: a whole number is wanted, found {}", path_, name,
                             value->is_number() ? value->dump() : value->type_name()));
    return std::nullopt;
  }
  const bool beyond = value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX;
  const int64_t x = beyond ? INT64_MAX : value->get<int64_t>();
  if (beyond || x < low || x > high) {
    refuse(name, fmt::format("{}{} is {}: it must be from {} to {}", path_, name, value->dump(),
                             low, high));
    return std::nullopt;
  }
  return x;
}

std::optional<bool> Fields::boolean(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) {
    refuse(name,
           fmt::format("{}{}: true or false is wanted, found {}", path_, name, value->type_name()));
    return std::nullopt;
  }
  return value->get<bool>();
}

std::optional<std::string> Fields::text(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    refuse(name,
           fmt::format("{}{}: a string is wanted, found {}", path_, name, value->type_name()));
    return std::nullopt;
  }
  return value->get<std::string>();
}

const Json* Fields::list(const char* name) {
  const Json* value = find(name);
  if (value && !value->is_array()) {
    refuse(name, fmt::format("{}{}: a list is wanted, found {}", path_, name, value->type_name()));
    return nullptr;
  }
  return value;
}

const Json* Fields::object(const char* name) {
  const Json* value = find(name);
  if (value && !value->is_object()) {
    refuse(name,
           fmt::format("{}{}: an object is wanted, found {}", path_, name, value->type_name()));
    return nullptr;
  }
  return value;
}

std::optional<std::string> Fields::choice(const char* name,
                                          std::initializer_list<const char*> choices) {
  auto value = text(name);
  if (!value) return std::nullopt;
  for (const char* c : choices)
    if (*value == c) return value;
  refuse(name, fmt::format("{}{} is {}: it must be one of {}", path_, name,
                           Json(*value).dump(-1, ' ', false, Json::error_handler_t::replace),
                           fmt::join(choices, ", ")));
  return std::nullopt;
}

std::optional<std::string> Fields::unknown() const {
  for (const auto& [name, value] : object_.items())
    if (!asked_.contains(name)) return path_ + name;
  return std::nullopt;
}

}  // namespace r1
