// Which values keep to a schema, and whether a value can keep to two.
#include <algorithm>
#include <cmath>
#include <limits>

#include "infer/grammar/automaton.h"
#include "infer/grammar/schema.h"

namespace r1 {
namespace {

using Json = Schemas::Json;

constexpr int kDeepestApart = 8;  // properties of properties that are looked at

bool is_of_type(const Json& value, std::string_view type) {
  if (type == "integer")
    return value.is_number_integer() ||
           (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
  if (type == "number") return value.is_number();
  if (type == "null") return value.is_null();
  return value.type_name() == type;
}

int64_t characters(const std::string& utf8) {
  return std::ranges::count_if(utf8, [](char c) { return (c & 0xC0) != 0x80; });
}

// Whether a string matches a pattern or is of a format.
std::optional<bool> spelled_right(std::string_view keyword, const Json& what, const Json& value) {
  const auto grammar =
      make_grammar({{"json_schema", {{"type", "string"}, {std::string(keyword), what}}}});
  if (!grammar) return std::nullopt;
  Automaton a(*grammar);
  Automaton::State state = a.begin(Grammar::kAtOnce);
  for (const char c : value.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    state = a.next(state, static_cast<uint8_t>(c));
    if (state == Automaton::kDead) return false;
  }
  return a.accepts(state);
}

double number_or(const Json& s, std::string_view keyword, double otherwise) {
  const auto given = s.find(keyword);
  return given != s.end() && given->is_number() ? given->get<double>() : otherwise;
}

// Sizes and numbers that no value can have under both.
bool bounds_apart(const Json& a, const Json& b, std::string_view least, std::string_view most) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return number_or(a, most, kInfinity) < number_or(b, least, -kInfinity) ||
         number_or(b, most, kInfinity) < number_or(a, least, -kInfinity);
}

bool numbers_apart(const Json& a, const Json& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto below = [&](const Json& x, const Json& y) {
    const double high = number_or(x, "maximum", kInfinity),
                 low = number_or(y, "minimum", -kInfinity);
    const double open_high = number_or(x, "exclusiveMaximum", kInfinity);
    const double open_low = number_or(y, "exclusiveMinimum", -kInfinity);
    return high < low || high <= open_low || open_high <= low || open_high <= open_low;
  };
  return below(a, b) || below(b, a);
}

std::optional<Json> listed(const Json& s) {
  if (s.contains("const")) return Json::array({s["const"]});
  if (s.contains("enum") && s["enum"].is_array()) return s["enum"];
  return std::nullopt;
}

// All names under "required".
std::vector<std::string> required(const Json& s) {
  std::vector<std::string> names;
  if (s.contains("required") && s["required"].is_array())
    for (const Json& name : s["required"])
      if (name.is_string()) names.push_back(name.get<std::string>());
  return names;
}

}  // namespace

std::optional<bool> Schemas::admits(const Json& s, const Json& value, int depth) {
  if (s.is_boolean()) return s == true;
  if (!s.is_object() || depth > kDeepest || tired()) return std::nullopt;
  bool known = true;
  for (const auto& [name, what] : s.items()) {
    const auto fits = keeps(s, name, what, value, depth);
    if (fits == false) return false;
    known = known && fits;
  }
  return known ? std::optional(true) : std::nullopt;
}

std::optional<bool> Schemas::keeps(const Json& s, std::string_view keyword, const Json& what,
                                   const Json& value, int depth) {
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, keyword) != names.end();
  };
  if (remarks(keyword) || keyword == "discriminator") return true;
  if (keyword == "$ref") {
    const auto to = target(what, "");
    return to ? admits(**to, value, depth + 1) : std::nullopt;
  }
  if (combines(keyword)) {
    if (!what.is_array()) return std::nullopt;
    size_t yes = 0, unknown = 0;
    for (const Json& one : what) {
      const auto fits = admits(one, value, depth + 1);
      yes += fits == true;
      unknown += !fits;
    }
    if (keyword == "allOf" && yes + unknown < what.size()) return false;
    if (keyword == "anyOf" && yes > 0) return true;
    if (keyword == "oneOf" && yes > 1) return false;
    if (unknown > 0) return std::nullopt;
    return keyword == "allOf" || yes == 1;
  }
  if (keyword == "type") {
    const Json list = what.is_array() ? what : Json::array({what});
    return std::ranges::any_of(list, [&](const Json& type) {
      return type.is_string() && is_of_type(value, type.get_ref<const std::string&>());
    });
  }
  if (keyword == "const") return value == what;
  if (keyword == "enum") {
    if (!what.is_array()) return std::nullopt;
    return std::ranges::find(what, value) != what.end();
  }
  if (is({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})) {
    if (!value.is_number()) return true;
    if (!what.is_number()) return std::nullopt;
    if (keyword == "minimum") return value >= what;
    if (keyword == "maximum") return value <= what;
    return keyword == "exclusiveMinimum" ? value > what : value < what;
  }
  if (keyword == "multipleOf") {
    if (!value.is_number()) return true;
    const bool whole = value.is_number_integer() && what.is_number_integer();
    if (!whole || what < 1 || what > INT32_MAX || value > INT64_MAX) return std::nullopt;
    return value.get<int64_t>() % what.get<int64_t>() == 0;
  }
  if (is({"minLength", "maxLength", "minItems", "maxItems"})) {
    if (keyword.ends_with("Length") ? !value.is_string() : !value.is_array()) return true;
    if (!what.is_number()) return std::nullopt;
    const auto size = value.is_string() ? characters(value.get_ref<const std::string&>())
                                        : static_cast<int64_t>(value.size());
    return keyword.starts_with("min") ? Json(size) >= what : Json(size) <= what;
  }
  if (keyword == "pattern") return value.is_string() ? spelled_right(keyword, what, value) : true;
  if (keyword == "format") {  // many take it for a remark: what is not of it may be valid
    const auto fits = value.is_string() ? spelled_right(keyword, what, value) : true;
    return fits == false ? std::nullopt : fits;
  }
  bool known = true;
  if (is({"items", "prefixItems"})) {
    if (!value.is_array()) return true;
    for (size_t i = 0; i < value.size(); ++i) {
      const auto fits = admits(schema_of_item(s, i), value[i], depth + 1);
      if (fits == false) return false;
      known = known && fits;
    }
    return known ? std::optional(true) : std::nullopt;
  }
  if (is({"properties", "additionalProperties"})) {
    if (!value.is_object()) return true;
    for (const auto& [name, of_it] : value.items()) {
      const auto fits = admits(schema_of_property(s, name), of_it, depth + 1);
      if (fits == false) return false;
      known = known && fits;
    }
    return known ? std::optional(true) : std::nullopt;
  }
  if (keyword == "required")
    return !value.is_object() || std::ranges::all_of(required(s), [&](const std::string& name) {
      return value.contains(name);
    });
  return std::nullopt;
}

bool Schemas::apart(const Json& a, const Json& b, int depth) {
  if (depth > kDeepestApart || tired()) return false;
  const auto of_a = ways(a, "", depth), of_b = ways(b, "", depth);
  return of_a && of_b && apart(*of_a, *of_b, depth);
}

bool Schemas::apart(const std::vector<Json>& a, const std::vector<Json>& b, int depth) {
  return std::ranges::all_of(a, [&](const Json& x) {
    return std::ranges::all_of(b, [&](const Json& y) { return plainly_apart(x, y, depth); });
  });
}

bool Schemas::plainly_apart(const Json& a, const Json& b, int depth) {
  const auto none_keeps = [this](const Json& values, const Json& s) {
    return std::ranges::all_of(values, [&](const Json& v) { return admits(s, v) == false; });
  };
  if (const auto values = listed(a)) {
    Json left = Json::array();
    for (const Json& v : *values)
      if (admits(a, v) != false) left.push_back(v);
    return none_keeps(left, b);
  }
  if (const auto values = listed(b)) return none_keeps(*values, a);
  // `a` is only said as what its keywords mean; `b` is valid for all it does not name.
  const auto said = types(a, "");
  if (!said) return false;
  const auto all = [](const Json& s, std::vector<std::string> some) {
    if (some.empty() || !s.contains("type")) some.assign(kTypes.begin(), kTypes.end());
    return some;
  };
  const auto meant = types(b, "");
  if (!meant) return false;
  const auto from = said->empty() ? all(a, *said) : *said;
  const auto to = all(b, *meant);
  const auto number = [](std::string_view t) { return t == "integer" || t == "number"; };
  for (const std::string& x : from) {
    const bool shared = std::ranges::any_of(
        to, [&](const std::string& y) { return x == y || (number(x) && number(y)); });
    if (!shared) continue;
    const bool differ = x == "object"   ? objects_apart(a, b, depth)
                        : x == "array"  ? arrays_apart(a, b, depth)
                        : x == "string" ? bounds_apart(a, b, "minLength", "maxLength")
                        : number(x)     ? numbers_apart(a, b)
                                        : false;
    if (!differ) return false;
  }
  return true;
}

bool Schemas::objects_apart(const Json& a, const Json& b, int depth) {
  const bool closed =
      (a.contains("properties") && !a["properties"].empty()) || schema_of_property(a, "") == false;
  const auto has = [&](const std::string& name) {
    return a.contains("properties") && a["properties"].contains(name);
  };
  const auto wanted = required(a);
  for (const std::string& name : required(b)) {
    const bool said = has(name) || std::ranges::find(wanted, name) != wanted.end();
    if (closed && !said) return true;
  }
  for (const Json* s : {&a, &b})
    for (const std::string& name : required(*s))
      if (apart(schema_of_property(a, name), schema_of_property(b, name), depth + 1)) return true;
  return false;
}

bool Schemas::arrays_apart(const Json& a, const Json& b, int depth) {
  if (bounds_apart(a, b, "minItems", "maxItems")) return true;
  const double surely = std::max(number_or(a, "minItems", 0), number_or(b, "minItems", 0));
  size_t prefix = 0;
  for (const Json* s : {&a, &b})
    if (s->contains("prefixItems")) prefix = std::max(prefix, (*s)["prefixItems"].size());
  for (size_t i = 0; i <= prefix && static_cast<double>(i) < surely; ++i)
    if (apart(schema_of_item(a, i), schema_of_item(b, i), depth + 1)) return true;
  return false;
}

}  // namespace r1
