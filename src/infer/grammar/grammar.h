// What a constrained answer must be: a context-free grammar over bytes, made from a JSON schema,
// from GBNF or from a regular expression. Immutable, shared by every answer that keeps to it.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace r1 {

struct Grammar {
  static constexpr int32_t kByte = -1, kEnd = -2;
  struct Item {
    int32_t rule;  // this rule; or kByte: one byte from low to high; or kEnd of an alternative
    uint8_t low = 0, high = 0;
    bool operator==(const Item&) const = default;
  };
  using Alternatives = std::vector<int32_t>;  // where each begins in `items`

  std::vector<Item> items;
  std::vector<Alternatives> rules;
  // Where an answer begins: at once; after a thought, with white space before it; or so, and it may
  // yet be a thought, which the model opens itself.
  enum Entry : uint8_t { kAtOnce, kAfterThought, kMayThink };
  int32_t entries[3] = {};  // rules
  std::string spec;         // what make_grammar made it of, as JSON
};
using GrammarPtr = std::shared_ptr<const Grammar>;

// From a JSON object with one of: "json_schema": SCHEMA; "gbnf": TEXT; "regex": PATTERN; "any_of":
// [{"before": TEXT, "schema": SCHEMA, "after": TEXT}...], JSON values in frames.
Result<GrammarPtr> make_grammar(const nlohmann::ordered_json& spec);

// The JSON values that a schema allows, objects closed and their properties in the schema's order.
// Understood: type, properties, required, additionalProperties, items, prefixItems, minItems,
// maxItems, enum, const, anyOf, oneOf (whose schemas must exclude each other), allOf, $ref, $defs,
// pattern, format, minLength, maxLength, minimum, maximum and their exclusive forms, multipleOf,
// and these beside each other; anything else that restricts is refused with its place.
struct FramedSchema {
  std::string before;
  const nlohmann::ordered_json& schema;
  std::string after;
};
Result<GrammarPtr> json_schema_grammar(const std::vector<FramedSchema>& any_of);
// llama.cpp's notation: name ::= "text" | [a-z]+ (other){2,3}; it begins at `root`.
Result<GrammarPtr> gbnf_grammar(std::string_view text);
// The texts that match a regular expression from their beginning to their end.
Result<GrammarPtr> regex_grammar(std::string_view pattern);

}  // namespace r1
