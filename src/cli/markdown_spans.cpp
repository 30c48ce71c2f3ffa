#include "cli/markdown_spans.h"

#include <algorithm>

namespace r1 {

namespace {

constexpr size_t kNone = std::string_view::npos,
                 kWait = kNone - 1;  // no end; not known before more text comes
constexpr size_t kMaxTex = 150;      // of $...$: prices should not wait long

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }
bool is_ascii_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_word(char c) { return is_ascii_word(c) || (c & 0x80) != 0; }

size_t run_length(std::string_view text, size_t i) {
  size_t n = 1;
  while (i + n < text.size() && text[i + n] == text[i]) ++n;
  return n;
}

// Where a run of exactly n backticks begins, before `limit`.
size_t find_code_end(std::string_view text, size_t from, size_t n, size_t limit, bool complete) {
  for (size_t i = from; i < limit;) {
    if (i >= text.size()) return complete ? kNone : kWait;
    if (text[i] != '`') {
      ++i;
      continue;
    }
    const size_t size = run_length(text, i);
    if (i + size == text.size() && !complete) return kWait;
    if (size == n) return i;
    i += size;
  }
  return kNone;
}

// The bracket that closes the one before `from`.
size_t find_bracket(std::string_view text, size_t from, char open, char close, size_t limit,
                    bool complete) {
  int depth = 1;
  for (size_t i = from; i < limit; ++i) {
    if (i >= text.size()) return complete ? kNone : kWait;
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == open) {
      ++depth;
    } else if (text[i] == close && --depth == 0) {
      return i;
    }
  }
  return kNone;
}

}  // namespace

// What begins at a mark: `used` bytes were shown, or more text is needed first.
struct SpanRenderer::Step {
  size_t used;
  bool wait = false;
};

void SpanRenderer::emit(std::string_view style, std::string_view text, std::string& out) const {
  if (text.empty()) return;
  out += style;
  out += text;
  if (!style.empty()) out += styles_.reset;
}

std::string SpanRenderer::nested(std::string_view text, const std::string& style) {
  SpanRenderer inner(styles_);
  inner.depth_ = depth_ + 1;
  std::string out;
  inner.render(text, true, style, out);
  return out;
}

void SpanRenderer::end_line() {
  previous_ = ' ';
  if (math_end_ == "\\)") math_end_.clear();
}

size_t SpanRenderer::render(std::string_view text, bool complete, std::string_view style,
                            std::string& out) {
  const std::string around(style);
  size_t i = 0;
  while (i < text.size()) {
    Step taken{0};
    if (in_math()) {
      taken = math(text, i, complete, out);
    } else {
      const size_t mark = std::min(text.find_first_of("\\`*_~[$", i), text.size());
      emit(around, text.substr(i, mark - i), out);
      i = mark;
      if (i == text.size()) break;
      taken = step(text, i, complete, around, out);
    }
    i += taken.used;
    if (taken.wait) break;
  }
  if (i > 0) previous_ = text[i - 1];
  return i;
}

SpanRenderer::Step SpanRenderer::step(std::string_view text, size_t i, bool complete,
                                      const std::string& style, std::string& out) {
  Step taken{0};
  const bool may_nest = depth_ < kMaxDepth;
  const size_t run = text[i] == '[' || text[i] == '\\' ? 1 : run_length(text, i);
  if (i + run == text.size() && !complete) return {0, true};
  switch (text[i]) {
    case '\\': {
      const char next = i + 1 < text.size() ? text[i + 1] : '\0';
      if (next == '(' || next == '[') {
        math_end_ = next == '(' ? "\\)" : "\\]";
        taken.used = 2;
        emit("", text.substr(i, 2), out);
      } else if (next != '\0' && std::string_view("*_`#~|$<>").find(next) != kNone) {
        taken.used = 2;
        emit(style, text.substr(i + 1, 1), out);
      }
      break;
    }
    case '`':
      taken = code(text, i, complete, out);
      break;
    case '$':
      taken = dollar(text, i, complete, out);
      break;
    case '[':
      if (may_nest) taken = link(text, i, complete, style, out);
      break;
    default:
      if (may_nest) taken = emphasis(text, i, complete, style, out);
  }
  if (taken.used > 0 || taken.wait) return taken;
  emit(style, text.substr(i, run), out);  // no span after all
  return {run};
}

SpanRenderer::Step SpanRenderer::math(std::string_view text, size_t i, bool complete,
                                      std::string& out) {
  const size_t end = text.find(math_end_, i);
  if (end != kNone) {
    const size_t used = end + math_end_.size() - i;
    emit("", text.substr(i, used), out);
    math_end_.clear();
    return {used};
  }
  const bool may_end = !complete && text.back() == math_end_[0];
  const size_t used = text.size() - i - (may_end ? 1 : 0);
  emit("", text.substr(i, used), out);
  return {used, may_end};
}

SpanRenderer::Step SpanRenderer::code(std::string_view text, size_t i, bool complete,
                                      std::string& out) {
  const size_t n = run_length(text, i), end = find_code_end(text, i + n, n, i + kMaxSpan, complete);
  if (end == kWait) return {0, true};
  if (end == kNone) return {0};
  std::string_view inside = text.substr(i + n, end - i - n);
  if (inside.size() > 2 && inside.front() == ' ' && inside.back() == ' ')
    inside = inside.substr(1, inside.size() - 2);
  emit(styles_.code, inside, out);
  return {end + n - i};
}

// Pandoc's rule: no blank after the opening dollar nor before the closing one, no digit after that.
SpanRenderer::Step SpanRenderer::dollar(std::string_view text, size_t i, bool complete,
                                        std::string& out) {
  if (run_length(text, i) >= 2) {
    math_end_ = "$$";
    emit("", text.substr(i, 2), out);
    return {2};
  }
  if (i + 1 == text.size() || is_blank(text[i + 1])) return {0};
  for (size_t end = i + 1; end < i + kMaxTex; ++end) {
    if (end >= text.size()) return {0, !complete};
    if (text[end] == '\\') {
      ++end;
    } else if (text[end] == '$') {
      if (end + 1 == text.size() && !complete) return {0, true};
      const bool digit = end + 1 < text.size() && text[end + 1] >= '0' && text[end + 1] <= '9';
      if (is_blank(text[end - 1]) || digit) return {0};
      emit("", text.substr(i, end + 1 - i), out);
      return {end + 1 - i};
    }
  }
  return {0};
}

size_t SpanRenderer::find_emphasis_end(std::string_view text, size_t from, char mark, size_t size,
                                       bool complete) const {
  const size_t limit = from + kMaxSpan;
  bool may_have_code = true;
  size_t inner = 0;  // the size of a run that may have opened a span inside: `**a *b***`
  for (size_t i = from; i < limit;) {
    if (i >= text.size()) return complete ? kNone : kWait;
    if (text[i] == '\\') {
      i += 2;
    } else if (text[i] == '`' && may_have_code) {
      const size_t n = run_length(text, i), end = find_code_end(text, i + n, n, limit, complete);
      if (end == kWait) return kWait;
      may_have_code = end != kNone;
      i = may_have_code ? end + n : i + n;
    } else if (text[i] == mark) {
      const size_t n = run_length(text, i), after = i + n;
      if (after >= text.size() && !complete) return kWait;
      const bool ends_word = mark != '_' || after >= text.size() || !is_word(text[after]);
      if (!is_blank(text[i - 1]) && ends_word && i > from && (n == size || n == size + inner))
        return after - size;
      if (n != size) inner = n;
      i = after;
    } else {
      ++i;
    }
  }
  return kNone;
}

SpanRenderer::Step SpanRenderer::emphasis(std::string_view text, size_t i, bool complete,
                                          const std::string& style, std::string& out) {
  const char mark = text[i], before = i > 0 ? text[i - 1] : previous_;
  const size_t n = run_length(text, i);
  const bool allowed = mark == '~' ? n == 2 : n <= 3;
  // No emphasis begins inside a word, but for ** (so written in Chinese) and ~~; 2*3*4 stays as it
  // is.
  const bool in_word =
      (mark == '_' && is_word(before)) || (mark == '*' && n == 1 && is_ascii_word(before));
  if (!allowed || in_word || i + n == text.size() || is_blank(text[i + n])) return {0};
  const size_t end = find_emphasis_end(text, i + n, mark, n, complete);
  if (end == kWait) return {0, true};
  if (end == kNone) return {0};
  std::string inside = style;
  if (mark == '~') inside += styles_.dim;
  if (mark != '~' && n != 2) inside += styles_.italic;
  if (mark != '~' && n >= 2) inside += styles_.bold;
  out += nested(text.substr(i + n, end - i - n), inside);
  return {end + n - i};
}

SpanRenderer::Step SpanRenderer::link(std::string_view text, size_t i, bool complete,
                                      const std::string& style, std::string& out) {
  const size_t limit = i + kMaxSpan, end = find_bracket(text, i + 1, '[', ']', limit, complete);
  if (end == kWait || (end != kNone && end + 1 == text.size() && !complete)) return {0, true};
  if (end == kNone || end + 1 == text.size() || text[end + 1] != '(') return {0};
  const size_t last = find_bracket(text, end + 2, '(', ')', limit, complete);
  if (last == kWait) return {0, true};
  if (last == kNone) return {0};
  const std::string_view label = text.substr(i + 1, end - i - 1),
                         address = text.substr(end + 2, last - end - 2);
  out += nested(label, style + std::string(styles_.underline));
  if (address != label) emit(std::string(styles_.dim), " (" + std::string(address) + ")", out);
  return {last + 1 - i};
}

}  // namespace r1
