// JSON schemas before there is a grammar: what stands beside each other brought together, and which
// values keep to which.
#pragma once

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace r1 {

class Schemas {
 public:
  using Json = nlohmann::ordered_json;
  static constexpr int kDeepest = 64;

  explicit Schemas(const Json& root) : root_(root) {}  // which must outlive this

  static Error wrong(const std::string& place, std::string what) {
    return Error{fmt::format("the schema at {}: {}", place, what)};
  }
  static std::string excerpt(const Json& json);
  static constexpr std::array kTypes{"object",  "array",   "string", "number",
                                     "integer", "boolean", "null"};
  // What restricts values of a type.
  static std::vector<std::string_view> keywords(std::string_view type);
  static bool remarks(std::string_view keyword);   // restricts nothing
  static bool combines(std::string_view keyword);  // $ref, allOf, anyOf, oneOf
  // Those it names; or else those that its keywords restrict, for then it means them.
  static Result<std::vector<std::string>> types(const Json& s, const std::string& place);

  Result<const Json*> target(const Json& ref, const std::string& place) const;
  // Schemas with no keyword that combines, one of which a value keeps to where it keeps to `s`.
  // oneOf's are shown to exclude each other, or refused.
  Result<std::vector<Json>> ways(const Json& s, const std::string& place, int depth = 0);
  // nullopt: that cannot be told.
  std::optional<bool> admits(const Json& s, const Json& value, int depth = 0);

 private:
  Result<void> check_size(const Json& made, const std::string& place);
  Result<std::vector<Json>> join(const std::vector<Json>& all, const std::vector<Json>& more,
                                 const std::string& place);
  Result<std::optional<Json>> both(const Json& a, const Json& b, const std::string& place);
  Result<std::vector<Json>> exclusive(const Json& s, const std::vector<Json>& all,
                                      const std::string& place, int depth);
  std::optional<bool> keeps(const Json& s, std::string_view keyword, const Json& what,
                            const Json& value, int depth);
  // No value that is generated for `a`, whose objects are closed, is valid under `b`.
  bool apart(const Json& a, const Json& b, int depth);
  bool apart(const std::vector<Json>& a, const std::vector<Json>& b, int depth);
  bool plainly_apart(const Json& a, const Json& b, int depth);
  bool objects_apart(const Json& a, const Json& b, int depth);
  bool arrays_apart(const Json& a, const Json& b, int depth);

  bool tired() { return ++looked_ > kMostLooks; }

  static constexpr size_t kMostLooks = 100'000;  // schemas that were looked at
  const Json& root_;
  size_t looked_ = 0;
  size_t made_ = 0;  // bytes of schemas that were brought together
};

// The schema of a property, and of an item: what they say of it, or true.
nlohmann::ordered_json schema_of_property(const nlohmann::ordered_json& s, const std::string& name);
nlohmann::ordered_json schema_of_item(const nlohmann::ordered_json& s, size_t i);

}  // namespace r1
