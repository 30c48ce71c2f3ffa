#include "infer/grammar/schema.h"

#include <algorithm>
#include <set>

namespace r1 {
namespace {

using Json = Schemas::Json;

constexpr size_t kMostWays = 256, kMostMade = size_t{16} << 20;

// They say something about a schema, and nothing about its values.
constexpr std::string_view kRemarks[] = {"title",      "description", "default",   "examples",
                                         "deprecated", "readOnly",    "writeOnly", "$schema",
                                         "$id",        "$comment",    "$defs",     "definitions"};
constexpr std::string_view kCombining[] = {"$ref", "allOf", "anyOf", "oneOf"};

// Two schemas of one thing, for later.
Json lazily(const Json& a, const Json& b) {
  if (a == true || a == b || b == false) return b;
  if (b == true || a == false) return a;
  return {{"allOf", Json::array({a, b})}};
}

Json or_true(const Json& s, const char* keyword) {
  return s.contains(keyword) ? s[keyword] : Json(true);
}

void set_or_drop(Json& s, const char* keyword, const Json& what) {
  if (what == true)
    s.erase(keyword);
  else
    s[keyword] = what;
}

bool has_any(const Json& s, std::initializer_list<const char*> keywords) {
  return std::ranges::any_of(keywords, [&](const char* k) { return s.contains(k); });
}

}  // namespace

std::string Schemas::excerpt(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60);
}

std::vector<std::string_view> Schemas::keywords(std::string_view type) {
  if (type == "object") return {"properties", "required", "additionalProperties"};
  if (type == "array") return {"items", "prefixItems", "minItems", "maxItems"};
  if (type == "string") return {"pattern", "format", "minLength", "maxLength"};
  if (type == "number" || type == "integer")
    return {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"};
  return {};
}

bool Schemas::remarks(std::string_view keyword) {
  return std::ranges::find(kRemarks, keyword) != std::end(kRemarks);
}

bool Schemas::combines(std::string_view keyword) {
  return std::ranges::find(kCombining, keyword) != std::end(kCombining);
}

Result<std::vector<std::string>> Schemas::types(const Json& s, const std::string& place) {
  std::vector<std::string> types;
  const auto given = s.find("type");
  if (given == s.end()) {
    for (const char* type : {"object", "array", "string", "number"})
      if (std::ranges::any_of(keywords(type), [&](auto name) { return s.contains(name); }))
        types.emplace_back(type);
    return types;
  }
  const Json list = given->is_array() ? *given : Json::array({*given});
  if (list.empty()) return wrong(place, "type: the list is empty");
  for (const Json& type : list) {
    const bool known = std::ranges::any_of(kTypes, [&](const char* t) { return type == t; });
    if (!known)
      return wrong(place, fmt::format("type {}: it must be one of {}", excerpt(type),
                                      fmt::join(kTypes, ", ")));
    types.push_back(type.get<std::string>());
  }
  return types;
}

Result<const Json*> Schemas::target(const Json& ref, const std::string& place) const {
  if (!ref.is_string() || !ref.get_ref<const std::string&>().starts_with('#'))
    return wrong(place, fmt::format("$ref {}: one within the schema, beginning with #, is wanted",
                                    excerpt(ref)));
  try {
    return &root_.at(Json::json_pointer(ref.get_ref<const std::string&>().substr(1)));
  } catch (const Json::exception&) {
    return wrong(place, fmt::format("$ref {}: there is no such place", excerpt(ref)));
  }
}

Result<std::vector<Json>> Schemas::ways(const Json& s, const std::string& place, int depth) {
  if (depth > kDeepest || tired()) return wrong(place, "its schemas combine others on and on");
  if (s == true) return std::vector<Json>{Json::object()};
  if (s == false) return std::vector<Json>{};
  if (!s.is_object()) return wrong(place, "an object is wanted, found " + excerpt(s));
  Json plain = Json::object();
  for (const auto& [name, value] : s.items())
    if (!combines(name) && !remarks(name) && name != "discriminator") plain[name] = value;
  std::vector<Json> all = {std::move(plain)};
  if (s.contains("$ref")) {
    R1_TRY(const Json* to, target(s["$ref"], place));
    R1_TRY(const auto more, ways(*to, s["$ref"].get<std::string>(), depth + 1));
    R1_TRY(all, join(all, more, place));
  }
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    if (!s.contains(keyword)) continue;
    const Json& list = s[keyword];
    if (!list.is_array() || list.empty())
      return wrong(place, fmt::format("{}: a list is wanted", keyword));
    if (keyword == std::string_view("oneOf")) return exclusive(s, all, place, depth);
    std::vector<Json> any;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = fmt::format("{}/{}/{}", place, keyword, i);
      R1_TRY(auto more, ways(list[i], where, depth + 1));
      if (keyword == std::string_view("allOf")) {
        R1_TRY(all, join(all, more, where));
      } else {
        std::ranges::move(more, std::back_inserter(any));
      }
    }
    if (keyword == std::string_view("anyOf")) {
      R1_TRY(all, join(all, any, place));
    }
  }
  return all;
}

// oneOf, beside `all` that stands there. A discriminator's property is said, whether it must or
// not.
Result<std::vector<Json>> Schemas::exclusive(const Json& s, const std::vector<Json>& all,
                                             const std::string& place, int depth) {
  const Json tag = s.contains("discriminator") && s["discriminator"].is_object()
                       ? s["discriminator"].value("propertyName", Json())
                       : Json();
  std::vector<std::vector<Json>> said, meant;
  for (size_t i = 0; i < s["oneOf"].size(); ++i) {
    const std::string where = fmt::format("{}/oneOf/{}", place, i);
    R1_TRY(const auto more, ways(s["oneOf"][i], where, depth + 1));
    R1_TRY(meant.emplace_back(), join(all, more, where));
    said.push_back(meant.back());
    for (Json& way : said.back()) {
      const bool has = tag.is_string() && way.contains("properties") &&
                       way["properties"].contains(tag.get_ref<const std::string&>());
      if (!has) continue;
      R1_TRY(const auto tagged, both(way, {{"required", Json::array({tag})}}, where));
      way = *tagged;
    }
  }
  std::vector<Json> any;
  for (size_t i = 0; i < said.size(); ++i) {
    for (size_t j = 0; j < said.size(); ++j)
      if (i != j && !apart(said[i], meant[j], depth + 1))
        return wrong(place, fmt::format("oneOf: what keeps to {} may keep to {} too; let a type or "
                                        "a required property with other values tell them apart, or "
                                        "write anyOf",
                                        std::min(i, j), std::max(i, j)));
    std::ranges::move(said[i], std::back_inserter(any));
  }
  return any;
}

Result<std::vector<Json>> Schemas::join(const std::vector<Json>& all, const std::vector<Json>& more,
                                        const std::string& place) {
  if (all.size() * more.size() > kMostWays)
    return wrong(place, fmt::format("its schemas combine in more than {} ways", kMostWays));
  std::vector<Json> joined;
  for (const Json& a : all) {
    for (const Json& b : more) {
      R1_TRY(auto one, both(a, b, place));
      if (one) joined.push_back(*std::move(one));
    }
  }
  return joined;
}

// Counted, so that a small schema does not become a large one without end.
Result<void> Schemas::check_size(const Json& made, const std::string& place) {
  made_ += made.dump(-1, ' ', false, Json::error_handler_t::replace).size();
  if (made_ > kMostMade) return wrong(place, "its schemas combine to too large a one");
  return {};
}

// What holds where both hold; nothing: no value can. Neither has keywords that combine.
Result<std::optional<Json>> Schemas::both(const Json& a, const Json& b, const std::string& place) {
  Json all = a;
  const auto merge = [&](const std::string& name, const Json& theirs) -> Result<bool> {
    Json& mine = all[name];
    const bool least = name.starts_with("min") || name == "exclusiveMinimum";
    const bool most = name.starts_with("max") || name == "exclusiveMaximum";
    if ((least || most) && mine.is_number() && theirs.is_number()) {
      if (least ? theirs > mine : theirs < mine) mine = theirs;
      return true;
    }
    if (name == "const") return false;
    if ((name == "enum" || name == "required") && mine.is_array() && theirs.is_array()) {
      Json list = name == "enum" ? Json::array() : mine;
      for (const Json& x : theirs)
        if ((std::ranges::find(mine, x) != mine.end()) == (name == "enum")) list.push_back(x);
      mine = std::move(list);
      return !mine.empty();
    }
    return wrong(place, fmt::format("{} is not understood as both {} and {}", excerpt(name),
                                    excerpt(mine), excerpt(theirs)));
  };
  for (const auto& item : b.items()) {
    const std::string& name = item.key();
    if (name == "type" || name == "properties" || name == "additionalProperties" ||
        name == "items" || name == "prefixItems")
      continue;
    if (!all.contains(name)) {
      all[name] = item.value();
    } else if (all[name] != item.value()) {
      R1_TRY(const bool possible, merge(name, item.value()));
      if (!possible) return std::optional<Json>();
    }
  }
  if (b.contains("type")) {
    if (!a.contains("type")) {
      all["type"] = b["type"];
    } else {
      R1_TRY(const auto mine, types(a, place));
      R1_TRY(const auto theirs, types(b, place));
      std::set<std::string> common;
      for (const std::string& x : mine) {
        for (const std::string& y : theirs) {
          if (x == y || (x == "integer" && y == "number")) common.insert(x);
          if (x == "number" && y == "integer") common.insert(y);
        }
      }
      if (common.empty()) return std::optional<Json>();
      all["type"] = common;
    }
  }
  if (has_any(a, {"properties", "additionalProperties"}) &&
      has_any(b, {"properties", "additionalProperties"})) {
    Json properties = Json::object();
    for (const Json* s : {&a, &b}) {
      if (!s->contains("properties")) continue;
      if (!(*s)["properties"].is_object()) return wrong(place, "properties: an object is wanted");
      for (const auto& item : (*s)["properties"].items())
        properties[item.key()] =
            lazily(schema_of_property(a, item.key()), schema_of_property(b, item.key()));
    }
    all.erase("properties");
    if (!properties.empty()) all["properties"] = std::move(properties);
    set_or_drop(all, "additionalProperties",
                lazily(or_true(a, "additionalProperties"), or_true(b, "additionalProperties")));
  } else if (has_any(b, {"properties", "additionalProperties"})) {
    for (const char* name : {"properties", "additionalProperties"})
      if (b.contains(name)) all[name] = b[name];
  }
  size_t prefix = 0;
  for (const Json* s : {&a, &b}) {
    if (!s->contains("prefixItems")) continue;
    if (!(*s)["prefixItems"].is_array()) return wrong(place, "prefixItems: a list is wanted");
    prefix = std::max(prefix, (*s)["prefixItems"].size());
  }
  all.erase("prefixItems");
  for (size_t i = 0; i < prefix; ++i)
    all["prefixItems"].push_back(lazily(schema_of_item(a, i), schema_of_item(b, i)));
  set_or_drop(all, "items", lazily(or_true(a, "items"), or_true(b, "items")));

  // Of types it cannot have, nothing need be said.
  if (all.contains("type")) {
    R1_TRY(const auto left, types(all, place));
    for (const char* type : {"object", "array", "string", "number"})
      if (std::ranges::none_of(left, [&](const std::string& t) {
            return t == type || (t == "integer" && type == std::string_view("number"));
          }))
        for (const std::string_view name : keywords(type)) all.erase(std::string(name));
  }
  R1_DO(check_size(all, place));
  return std::optional(std::move(all));
}

Json schema_of_property(const Json& s, const std::string& name) {
  if (s.contains("properties") && s["properties"].contains(name)) return s["properties"][name];
  return or_true(s, "additionalProperties");
}

Json schema_of_item(const Json& s, size_t i) {
  if (s.contains("prefixItems") && s["prefixItems"].is_array() && i < s["prefixItems"].size())
    return s["prefixItems"][i];
  return or_true(s, "items");
}

}  // namespace r1
