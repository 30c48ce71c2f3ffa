#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/unicode.h"
#include "text/jinja/value.h"

namespace r1::jinja {

void fail_at(int line, std::string_view message) {
  throw Failure(fmt::format("line {}: {}", line, message));
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// \r\n and \r become \n; one newline at the end is dropped (keep_trailing_newline is off).
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

// The value of a quoted string, by Python's unicode-escape.
std::string unescaped(std::string_view quoted, int line) {
  std::string text;
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      text += quoted[i];
      continue;
    }
    const char letter = quoted[++i];  // the lexer let no string end in a backslash
    constexpr std::string_view kLetters = "\\'\"abfnrtv", kValues = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t at = kLetters.find(letter); at != std::string_view::npos) {
      text += kValues[at];
    } else if (letter == '\n') {
      continue;  // a line goes on
    } else if (letter >= '0' && letter <= '7') {
      uint32_t code = 0;
      size_t n = 0;
      for (; n < 3 && i + n < quoted.size() && quoted[i + n] >= '0' && quoted[i + n] <= '7'; ++n) {
        code = code * 8 + static_cast<uint32_t>(quoted[i + n] - '0');
      }
      append_character(text, code);
      i += n - 1;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      const std::string hex(quoted.substr(i + 1, digits));
      if (hex.size() < digits ||
          hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
        fail_at(line, fmt::format("\\{} takes {} hexadecimal digits", letter, digits));
      }
      const uint64_t code = std::stoull(hex, nullptr, 16);
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        fail_at(line, fmt::format("\\{}{} is no character", letter, hex));
      }
      append_character(text, static_cast<char32_t>(code));
      i += digits;
    } else {
      text += '\\';
      text += letter;
    }
  }
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) text();
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest(size_t from) const {
    return std::string_view(source_).substr(std::min(from, source_.size()));
  }
  bool at(std::string_view text) const { return rest(position_).starts_with(text); }
  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  void advance(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(position_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    position_ = to;
  }

  size_t skip_space(size_t from) const {
    while (from < source_.size()) {
      const Character c = character_at(source_, from);
      if (!is_space(c.code)) break;
      from += c.size;
    }
    return from;
  }

  // Text up to the tag at `tag`, with what its sign and lstrip_blocks take away; `sign` is 0, '-'
  // or '+'.
  void data(size_t tag, char sign, bool strips_line) {
    std::string_view text = std::string_view(source_).substr(position_, tag - position_);
    if (sign == '-') {
      text = strip(text, false, true);
    } else if (sign != '+' && strips_line) {
      const size_t newline = text.rfind('\n'),
                   line = newline == std::string_view::npos ? 0 : newline + 1;
      const bool line_start = line > 0 || position_ == 0 || source_[position_ - 1] == '\n';
      if (line_start && strip(text.substr(line), true, false).empty()) text = text.substr(0, line);
    }
    if (!text.empty()) add(TokenKind::kData, std::string(text));
    advance(tag);
  }

  char sign_at(size_t i) const {
    return i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i] : '\0';
  }

  // Past a closing tag whose two characters begin at `closing`: white space if the sign before it
  // is -, else the newline that trim_blocks takes if `trims`.
  size_t past(size_t closing, char sign, bool trims) const {
    const size_t end = closing + 2;
    if (sign == '-') return skip_space(end);
    return trims && sign != '+' && end < source_.size() && source_[end] == '\n' ? end + 1 : end;
  }

  void text() {
    size_t tag = position_;
    while (tag < source_.size()) {
      tag = std::min(source_.find('{', tag), source_.size());
      if (tag + 1 < source_.size() &&
          std::string_view("%{#").find(source_[tag + 1]) != std::string_view::npos)
        break;
      if (tag < source_.size()) ++tag;
    }
    if (tag >= source_.size()) return data(source_.size(), '+', false);
    const char kind = source_[tag + 1], sign = sign_at(tag + 2);
    const size_t inner = tag + 2 + (sign ? 1 : 0);
    data(tag, sign, kind != '{');
    if (kind == '#') return comment(inner);
    if (kind == '%' && raw(inner)) return;
    add(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, "");
    advance(inner);
    expression(kind == '%');
  }

  void comment(size_t inner) {
    const size_t closing = source_.find("#}", inner);
    if (closing == std::string::npos) fail_at(line_, "a comment {# is not closed by #}");
    advance(past(closing, closing > inner ? sign_at(closing - 1) : '\0', true));
  }

  // {% raw %} ... {% endraw %}; false if the tag is another.
  bool raw(size_t inner) {
    size_t i = skip_space(inner);
    if (!rest(i).starts_with("raw")) return false;
    i = skip_space(i + 3);
    const char sign = sign_at(i) == '-' ? '-' : '\0';
    if (sign) ++i;
    if (!rest(i).starts_with("%}")) return false;
    const int line = line_;
    advance(past(i, sign, false));
    for (size_t tag = source_.find("{%", position_); tag != std::string::npos;
         tag = source_.find("{%", tag + 2)) {
      const char before = sign_at(tag + 2);
      size_t end = skip_space(tag + 2 + (before ? 1 : 0));
      if (!rest(end).starts_with("endraw")) continue;
      end = skip_space(end + 6);
      const char after = sign_at(end);
      if (after) ++end;
      if (!rest(end).starts_with("%}")) continue;
      data(tag, before, true);
      advance(past(end, after, true));
      return true;
    }
    fail_at(line, "{% raw %} is not closed by {% endraw %}");
  }

  // The inside of a tag, and its end.
  void expression(bool block) {
    const std::string_view closing = block ? "%}" : "}}";
    const int line = line_;
    std::string brackets;
    for (;;) {
      if (position_ >= source_.size())
        fail_at(line, fmt::format("a tag is not closed by {}", closing));
      if (brackets.empty()) {
        const char sign = sign_at(position_);
        const bool signs_end = sign == '-' || (sign == '+' && block);
        const size_t end = position_ + (signs_end ? 1 : 0);
        if (rest(end).starts_with(closing)) {
          add(block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, "");
          return advance(past(end, signs_end ? sign : '\0', block));
        }
      }
      const char c = source_[position_];
      if (const size_t next = skip_space(position_); next > position_) {
        advance(next);
      } else if (is_digit(c)) {
        number();
      } else if (is_letter(c)) {
        name();
      } else if (c == '\'' || c == '"') {
        string(c);
      } else {
        punctuation(brackets);
      }
    }
  }

  void name() {
    size_t end = position_;
    while (end < source_.size() && (is_letter(source_[end]) || is_digit(source_[end]))) ++end;
    add(TokenKind::kName, source_.substr(position_, end - position_));
    advance(end);
  }

  void punctuation(std::string& brackets) {
    for (const std::string_view op :
         {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
          "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"}) {
      if (!at(op)) continue;
      if (const size_t open = std::string_view("([{").find(op); open != std::string_view::npos) {
        brackets += ")]}"[open];
      } else if (std::string_view(")]}").find(op) != std::string_view::npos) {
        if (brackets.empty()) fail_at(line_, fmt::format("unexpected '{}'", op));
        if (brackets.back() != op[0])
          fail_at(line_, fmt::format("unexpected '{}', expected '{}'", op, brackets.back()));
        brackets.pop_back();
      }
      add(TokenKind::kOperator, std::string(op));
      return advance(position_ + op.size());
    }
    const size_t size = character_at(source_, position_).size;
    fail_at(line_, fmt::format("unexpected character '{}'", source_.substr(position_, size)));
  }

  void string(char quote) {
    size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_at(line_, "a string is not closed");
    const std::string_view quoted =
        std::string_view(source_).substr(position_ + 1, end - position_ - 1);
    add(TokenKind::kString, unescaped(quoted, line_));
    advance(end + 1);
  }

  // Digits with single underscores between them.
  size_t digits(size_t i, std::string_view allowed = "0123456789") const {
    const auto digit = [&](size_t k) {
      return k < source_.size() &&
             allowed.find(static_cast<char>(std::tolower(source_[k]))) != std::string_view::npos;
    };
    while (digit(i) || (i < source_.size() && source_[i] == '_' && digit(i + 1))) ++i;
    return i;
  }

  void number() {
    size_t end = position_;
    TokenKind kind = TokenKind::kInteger;
    const char base = position_ + 1 < source_.size() && source_[position_] == '0'
                          ? static_cast<char>(std::tolower(source_[position_ + 1]))
                          : '\0';
    const std::string_view allowed = base == 'x'   ? "0123456789abcdef"
                                     : base == 'o' ? "01234567"
                                     : base == 'b' ? "01"
                                                   : "";
    if (!allowed.empty() && digits(position_ + 2, allowed) > position_ + 2) {
      end = digits(position_ + 2, allowed);
    } else {
      end = digits(position_);
      const bool member = !tokens_.empty() && tokens_.back().kind == TokenKind::kOperator &&
                          tokens_.back().text == ".";
      if (!member) {  // x.0.1 has no floats
        if (end < source_.size() && source_[end] == '.' && digits(end + 1) > end + 1) {
          end = digits(end + 1);
          kind = TokenKind::kFloat;
        }
        if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
          const size_t exponent = end + 1 + (sign_at(end + 1) ? 1 : 0);
          if (digits(exponent) > exponent) {
            end = digits(exponent);
            kind = TokenKind::kFloat;
          }
        }
      }
    }
    std::string text = source_.substr(position_, end - position_);
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    add(kind, std::move(text));
    advance(end);
  }

  const std::string source_;
  size_t position_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (source.size() > kMaxSource) {
    throw Failure(
        fmt::format("a template of {} bytes: the limit is {}", source.size(), kMaxSource));
  }
  return Lexer(normalized(source)).run();
}

}  // namespace r1::jinja
