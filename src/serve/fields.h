// The fields of a request's JSON object: every value is checked for type and range, the first wrong
// one is kept as a Problem, and every field that nobody asked for is known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

namespace r1 {

// What is wrong with a request; every dialect has its own words for it.
struct Problem {
  int status = 400;
  std::string message;
  std::string param = {};  // the field, where one is to blame
  std::string code = {};   // OpenAI's, where it has one
  int retry_after = 0;     // seconds, of 429
};

constexpr int kDeepestJson = 64;

// Refuses what is no JSON object, is nested deeper than kDeepestJson, or is no UTF-8.
std::variant<nlohmann::ordered_json, Problem> parse_object(std::string_view body);

class Fields {
 public:
  using Json = nlohmann::ordered_json;

  // `object` must outlive this; `path` stands before names in messages: "options.".
  explicit Fields(const Json& object, std::string path = "")
      : object_(object), path_(std::move(path)) {}

  // null counts as absent.
  bool has(const char* name) { return find(name) != nullptr; }
  const Json* find(const char* name);
  std::optional<double> number(const char* name, double low, double high);
  std::optional<int64_t> integer(const char* name, int64_t low, int64_t high);
  std::optional<bool> boolean(const char* name);
  std::optional<std::string> text(const char* name);
  const Json* list(const char* name);
  const Json* object(const char* name);
  std::optional<std::string> choice(const char* name, std::initializer_list<const char*> choices);
  void ignore(std::initializer_list<const char*> names);

  void refuse(std::string_view name, std::string message, int status = 400, std::string code = "");
  // Takes over the problem of fields within this object's.
  void take(const Fields& inner) {
    if (!problem_) problem_ = inner.problem_;
  }
  const std::optional<Problem>& problem() const { return problem_; }
  std::optional<std::string> unknown() const;  // the first field that nobody asked for

 private:
  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
  std::optional<Problem> problem_;
};

}  // namespace r1
