// Regular expressions as sequences of a grammar: ECMAScript's, without what looks around, back or
// lazily.
#pragma once

#include <functional>

#include "infer/grammar/builder.h"

namespace r1 {

// How one of a set of characters is written: plainly, or as it stands in a JSON string.
using Spell = std::function<GrammarBuilder::Sequence(const CharSet&)>;

// anywhere: a text that holds a match is enough, as JSON Schema has it; else all of it must match.
Result<GrammarBuilder::Sequence> regex_sequence(GrammarBuilder& builder, std::string_view pattern,
                                                bool anywhere, const Spell& spell);

// What stands in [brackets], of GBNF and of regular expressions; `text` begins after the opening
// one and ends after the closing one.
Result<CharSet> read_class(std::string_view& text);
// What stands after a backslash, of a single character or \d \w \s and their opposites.
Result<CharSet> read_escape(std::string_view& text);

}  // namespace r1
