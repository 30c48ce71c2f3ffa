// Patterns of names.
#pragma once

#include <string_view>

namespace r1 {

// Whether a name fits a pattern: * is any text, ? any character.
bool fits(std::string_view pattern, std::string_view name);

}  // namespace r1
