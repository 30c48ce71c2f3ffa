// Template text -> tokens, with Jinja2's white-space rules as transformers sets them: trim_blocks
// (the newline after a block tag goes), lstrip_blocks (the blanks before one go), - and + signs in
// tags, one newline at the end dropped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1::jinja {

enum class TokenKind {
  kData,
  kBlockBegin,
  kBlockEnd,
  kVariableBegin,
  kVariableEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind;
  int line;
  std::string text;  // a string's value, a number without its underscores
};

constexpr size_t kMaxSource = 1 << 20;  // bytes; real templates have under 30 KB

// Throws Failure with the line.
std::vector<Token> tokenize(std::string_view source);

[[noreturn]] void fail_at(int line, std::string_view message);

}  // namespace r1::jinja
