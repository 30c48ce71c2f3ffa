// Fields of a parsed JSON object whose shape is not ours: a missing or null field gives the
// default, another type an error naming the field.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"

namespace r1 {

inline const nlohmann::json* json_field(const nlohmann::json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

inline Result<bool> json_bool(const nlohmann::json& object, const char* name, bool otherwise) {
  const nlohmann::json* field = json_field(object, name);
  if (field == nullptr) return otherwise;
  if (!field->is_boolean())
    return error("{}: true or false expected, found {}", name, field->type_name());
  return field->get<bool>();
}

inline Result<std::string> json_text(const nlohmann::json& object, const char* name,
                                     const std::string& otherwise = "") {
  const nlohmann::json* field = json_field(object, name);
  if (field == nullptr) return otherwise;
  if (!field->is_string())
    return error("{}: a string expected, found {}", name, field->type_name());
  return field->get<std::string>();
}

}  // namespace r1
