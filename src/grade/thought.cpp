#include "grade/thought.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

// What the braces of the last \boxed{ hold.
std::string_view boxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed{";
  const size_t at = text.rfind(kBoxed);
  if (at == text.npos) return {};
  text.remove_prefix(at + kBoxed.size());
  int depth = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    depth += (text[i] == '{') - (text[i] == '}');
    if (depth == 0) return trimmed(text.substr(0, i));
  }
  return {};
}

std::string_view tagged(std::string_view text) {
  constexpr std::string_view kOpen = "<answer>", kClose = "</answer>";
  const size_t end = text.rfind(kClose);
  if (end == text.npos) return {};
  const size_t begin = text.substr(0, end).rfind(kOpen);
  return begin == text.npos
             ? std::string_view()
             : trimmed(text.substr(begin + kOpen.size(), end - begin - kOpen.size()));
}

std::string_view expression(std::string_view text) {
  text = trimmed(text);
  return text.find_first_not_of("0123456789.,+-*/^()= ") == text.npos ? text : std::string_view();
}

// "-1,234.5" of "... is -1,234.5." A sign counts only where it is no minus between two operands.
std::string_view last_number(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !is_digit(text[end - 1])) --end;
  size_t begin = end;
  const auto within = [&](size_t i) {  // a point or comma between digits
    return (text[i] == '.' || text[i] == ',') && i > 0 && is_digit(text[i - 1]);
  };
  while (begin > 0 && (is_digit(text[begin - 1]) || within(begin - 1))) --begin;
  const bool sign = begin > 0 && text[begin - 1] == '-';
  if (sign && (begin == 1 || !(is_word(text[begin - 2]) || text[begin - 2] == ')'))) --begin;
  return text.substr(begin, end - begin);
}

// Whether text[begin, end) is not a part of a longer word or number.
bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word(text[begin]) && is_word(text[begin - 1])) return false;
  if (end < text.size() && is_word(text[end - 1]) && is_word(text[end])) return false;
  const auto point = [](char c) { return c == '.' || c == ','; };
  if (begin > 1 && is_digit(text[begin]) && point(text[begin - 1]) && is_digit(text[begin - 2]))
    return false;
  return !(end + 1 < text.size() && is_digit(text[end - 1]) && point(text[end]) &&
           is_digit(text[end + 1]));
}

int64_t count_paragraphs(std::string_view text) {
  int64_t n = 0;
  bool blank = true;  // the line before
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const bool now = trimmed(line).empty();
    n += blank && !now;
    blank = now;
  }
  return n;
}

}  // namespace

std::string final_answer(std::string_view answer) {
  for (const auto find : {boxed, tagged, expression, last_number})
    if (const std::string_view found = find(answer); !found.empty()) return std::string(found);
  return "";
}

ThoughtStructure read_thought(std::string_view thought, std::string_view answer) {
  ThoughtStructure s{.paragraphs = count_paragraphs(thought),
                     .counts = count_behaviours(thought),
                     .marks = find_behaviours(thought),
                     .answer = final_answer(answer),
                     .said = {}};
  for (const char c : thought) s.characters += (c & 0xC0) != 0x80;
  if (s.answer.empty()) return s;
  for (size_t at = 0; (at = thought.find(s.answer, at)) != thought.npos; ++at)
    if (stands_alone(thought, at, at + s.answer.size()))
      s.said.push_back({at, at + s.answer.size()});
  return s;
}

}  // namespace r1
