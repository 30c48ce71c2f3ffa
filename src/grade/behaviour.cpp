#include "grade/behaviour.h"

#include <algorithm>

namespace r1 {
namespace {

// Lower case; a blank matches any white space, # a whole number, _ nothing or one blank. A pattern
// that begins or ends with a letter begins or ends a word. Of patterns of one behaviour the longest
// counts.
constexpr BehaviourPattern kPatterns[] = {
    {"verification", "check"},
    {"verification", "checking"},
    {"verification", "verify"},
    {"verification", "verifying"},
    {"verification", "confirm"},
    {"verification", "make sure"},
    {"verification", "is that right"},
    {"verification", "is this right"},
    {"verification", "does that work"},
    {"verification", "does this work"},
    {"verification", "=_#_y"},
    {"verification", "=_#_n"},
    {"verification", "=_#_yes"},
    {"verification", "=_#_no"},
    {"verification", "=_#_✓"},
    {"verification", "=_#_✗"},
    {"backtracking", "wait"},
    {"backtracking", "no,"},
    {"backtracking", "no."},
    {"backtracking", "try again"},
    {"backtracking", "try another"},
    {"backtracking", "try something else"},
    {"backtracking", "start over"},
    {"backtracking", "go back"},
    {"backtracking", "doesn't work"},
    {"backtracking", "does not work"},
    {"backtracking", "that's not"},
    {"backtracking", "not right"},
    {"backtracking", "that's wrong"},
    {"backtracking", "alternatively"},
    {"backtracking", "hmm"},
    {"backtracking", "=_#_n"},
    {"backtracking", "=_#_no"},
    {"backtracking", "=_#_✗"},
    {"attempts", "=_#"},
};

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// The bytes of text that the pattern takes at `at`; 0: it does not match there.
size_t match(std::string_view pattern, std::string_view text, size_t at) {
  if (is_letter(pattern.front()) && at > 0 && is_letter(text[at - 1])) return 0;
  size_t i = at;
  const auto more = [&](auto kind) { return i < text.size() && kind(text[i]); };
  for (const char p : pattern) {
    if (p == '_') {
      i += more(is_blank);
    } else if (p == ' ' || p == '#') {
      i += p == '#' && more([](char c) { return c == '-'; });
      const auto kind = p == '#' ? is_digit : is_blank;
      if (!more(kind)) return 0;
      while (more(kind)) ++i;
    } else {
      if (!more([p](char c) { return lower(c) == p; })) return 0;
      ++i;
    }
  }
  return is_letter(pattern.back()) && more(is_letter) ? 0 : i - at;
}

void find(std::string_view behaviour, std::string_view text, std::vector<BehaviourMark>& marks) {
  for (size_t at = 0; at < text.size();) {
    size_t taken = 0;
    for (const BehaviourPattern& p : kPatterns) {
      if (p.behaviour == behaviour) taken = std::max(taken, match(p.pattern, text, at));
    }
    if (taken > 0) marks.push_back({behaviour, at, at + taken});
    at += std::max<size_t>(1, taken);
  }
}

}  // namespace

std::span<const BehaviourPattern> behaviour_patterns() { return kPatterns; }

std::vector<BehaviourMark> find_behaviours(std::string_view completion) {
  std::vector<BehaviourMark> marks;
  for (const std::string_view behaviour : {"verification", "backtracking", "attempts"})
    find(behaviour, completion, marks);
  std::ranges::stable_sort(marks, {}, &BehaviourMark::begin);
  return marks;
}

Behaviours count_behaviours(std::string_view completion) {
  Behaviours counts;
  for (const BehaviourMark& mark : find_behaviours(completion)) {
    counts.verification += mark.behaviour == "verification";
    counts.backtracking += mark.behaviour == "backtracking";
    counts.attempts += mark.behaviour == "attempts";
  }
  return counts;
}

}  // namespace r1
