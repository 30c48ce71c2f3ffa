// JSON Lines: an object a line. A line ends at '\n' alone, for texts hold other line ends.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"

namespace r1 {

// take(line, number) -> Result<void> for every line of the text that is not blank; lines count from
// 1. Ends at the first error.
template <class Take>
Result<void> for_each_jsonl_line(std::string_view text, Take take) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    R1_DO(take(line, number));
  }
  return {};
}

inline Result<nlohmann::ordered_json> parse_jsonl_line(std::string_view line) {
  auto json = nlohmann::ordered_json::parse(line, nullptr, false);
  if (!json.is_object()) return error("no JSON object");
  return json;
}

}  // namespace r1
