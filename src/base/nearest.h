// The name somebody meant: by edit distance, for "did you mean".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// The name with the fewest insertions, deletions, replacements and swaps of neighbours, "" where
// none is near: more than a third of the word, and more than one, would have to change.
std::string nearest(std::string_view word, const std::vector<std::string>& names);

}  // namespace r1
