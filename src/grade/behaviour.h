// What a thought does, counted by the words and marks it does it with: verification, backtracking,
// attempts (arXiv 2503.01307 names these as what separates models that learn to search). A count
// of patterns is no judgement: it shows a course over time, not a truth about one answer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace r1 {

struct Behaviours {
  int64_t verification = 0;  // "let me check", "verify", a y or n mark behind an equation
  int64_t backtracking = 0;  // "wait", "no,", "try again", an n mark: a path is given up
  int64_t attempts = 0;      // equations tried ("8*5=40"), or openings ("let's try", "first")
};

// One way to show a behaviour, as counted: for the report's legend.
struct BehaviourPattern {
  std::string_view behaviour;  // "verification", "backtracking", "attempts"
  std::string_view pattern;    // "let me check"
};
std::span<const BehaviourPattern> behaviour_patterns();

// Where a behaviour shows: bytes [begin, end) of the text.
struct BehaviourMark {
  std::string_view behaviour;
  size_t begin, end;
};

// In the order they begin; those of one behaviour do not overlap. One pass: linear in the text.
std::vector<BehaviourMark> find_behaviours(std::string_view completion);
Behaviours count_behaviours(std::string_view completion);

}  // namespace r1
