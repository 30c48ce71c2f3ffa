// CSV as RFC 4180 has it: fields in quotes may hold commas, line ends and doubled quotes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace r1 {

// Rows of fields, the header among them; a last line end gives no row, a byte order mark is
// dropped. Errors name the line: a quote that does not end, or text behind one.
Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text);

}  // namespace r1
