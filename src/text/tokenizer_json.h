// The parts of a tokenizer.json, read in one pass; still as spelled in the file. Internal to the
// room.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/added_tokens.h"

namespace r1 {

struct TokenizerJson {
  // Views into `memory`.
  std::vector<std::string_view> tokens;  // by id; data() == nullptr where no entry has the id
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  std::vector<AddedToken> added;
  nlohmann::json normalizer, pre_tokenizer, post_processor, decoder;
  nlohmann::json model;  // its fields but vocab and merges
  std::shared_ptr<const void> memory;
};

Result<TokenizerJson> parse_tokenizer_json(std::string_view json);

}  // namespace r1
