// Tokens -> tree, by Jinja2's grammar with the tags that transformers' chat templates may use. What
// needs a second template (include, extends, ...) is refused by name. Recursion is bounded by
// kMaxNesting.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace r1::jinja {

// Throws Failure "line N: what was wrong".
Body parse(std::string_view source);

}  // namespace r1::jinja
