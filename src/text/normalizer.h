// The "normalizer" of tokenizer.json: what happens to a text before it is cut into pieces.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace r1 {

class Normalizer {
 public:
  // null: none. Refuses by name what it does not know.
  static Result<Normalizer> parse(const nlohmann::json& json);

  struct Lowercase {};
  struct Prepend {
    std::string text;
  };
  struct Replace {
    Pattern pattern;
    std::string content;
  };
  using Step = std::variant<NormalForm, Lowercase, Prepend, Replace>;
  void add(Step step) { steps_.push_back(std::move(step)); }

  bool empty() const { return steps_.empty(); }
  std::string apply(std::string_view text) const;  // text: valid UTF-8

 private:
  Result<void> add_parsed(const nlohmann::json& json, int depth);

  std::vector<Step> steps_;
};

// {"String": literal} or {"Regex": expression}.
Result<Pattern> parse_pattern(const nlohmann::json& owner);

}  // namespace r1
