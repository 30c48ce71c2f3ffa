#include "text/jinja/expression_parser.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>

namespace r1::jinja {

namespace {

ExpressionPtr boxed(Expression e) { return std::make_unique<Expression>(std::move(e)); }

std::string described(const Token& token) {
  switch (token.kind) {
    case TokenKind::kData:
      return "text";
    case TokenKind::kBlockBegin:
      return "{%";
    case TokenKind::kBlockEnd:
      return "%}";
    case TokenKind::kVariableBegin:
      return "{{";
    case TokenKind::kVariableEnd:
      return "}}";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return "'" + token.text + "'";
  }
}

// 12, 0x1f, 0o17, 0b1 to a value.
int64_t integer_value(const Token& token) {
  std::string_view digits = token.text;
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    if (base != 10) digits.remove_prefix(2);
  }
  int64_t value = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (end.ec != std::errc{})
    fail_at(token.line, fmt::format("{} is no 64-bit integer", token.text));
  return value;
}

}  // namespace

ExpressionParser::Level::Level(ExpressionParser& parser) : parser_(parser) {
  if (parser.level_ >= kMaxNesting) {
    fail_at(parser.token().line, fmt::format("nested more than {} levels deep", kMaxNesting));
  }
  ++parser.level_;
}

const Token& ExpressionParser::token(size_t ahead) const {
  return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
}

Token ExpressionParser::next() {
  Token result = token();
  if (position_ + 1 < tokens_.size()) ++position_;
  return result;
}

bool ExpressionParser::at(std::string_view text) const {
  return token().kind == TokenKind::kOperator && token().text == text;
}

bool ExpressionParser::at_name(std::string_view name, size_t ahead) const {
  return token(ahead).kind == TokenKind::kName && token(ahead).text == name;
}

bool ExpressionParser::skip(std::string_view text) {
  const bool found = at(text);
  if (found) next();
  return found;
}

bool ExpressionParser::skip_name(std::string_view name) {
  const bool found = at_name(name);
  if (found) next();
  return found;
}

void ExpressionParser::unexpected(std::string_view wanted) const {
  fail_at(token().line, fmt::format("expected {}, got {}", wanted, described(token())));
}

void ExpressionParser::expect(std::string_view text) {
  if (!skip(text)) unexpected(fmt::format("'{}'", text));
}

std::string ExpressionParser::expect_name() {
  if (token().kind != TokenKind::kName) unexpected("a name");
  return next().text;
}

Expression ExpressionParser::expression(bool conditional) {
  const Level level(*this);
  const int line = token().line;
  Expression result = logic(false);
  int chained = 0;  // `a if b if c` nests to the left
  while (conditional && skip_name("if")) {
    if (++chained > kMaxChain)
      fail_at(line, fmt::format("more than {} conditions in a row", kMaxChain));
    Conditional choice{boxed(logic(false)), boxed(std::move(result)), nullptr};
    if (skip_name("else")) choice.otherwise = boxed(expression());
    result = {line, std::move(choice)};
  }
  return result;
}

Expression ExpressionParser::tuple(bool conditional, std::string_view stop, bool parentheses) {
  const int line = token().line;
  const auto ended = [&] {
    const TokenKind kind = token().kind;
    return kind == TokenKind::kVariableEnd || kind == TokenKind::kBlockEnd || at(")") ||
           (!stop.empty() && at_name(stop));
  };
  Expressions items;
  bool is_tuple = false;
  while (!ended()) {
    items.push_back(expression(conditional));
    if (!skip(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items.front());
  if (!is_tuple && !parentheses) unexpected("an expression");
  return {line, ListDisplay{std::move(items), true}};
}

Expression ExpressionParser::logic(bool all) {
  const int line = token().line;
  const auto operand = [&] { return all ? negation() : logic(true); };
  Expression first = operand();
  if (!at_name(all ? "and" : "or")) return first;
  Logic result{{}, all};
  result.operands.push_back(std::move(first));
  while (skip_name(all ? "and" : "or")) result.operands.push_back(operand());
  return {line, std::move(result)};
}

Expression ExpressionParser::negation() {
  const int line = token().line;
  if (!skip_name("not")) return comparison();
  const Level level(*this);
  return {line, Not{boxed(negation())}};
}

Expression ExpressionParser::comparison() {
  constexpr std::pair<std::string_view, Operator> kOperators[] = {
      {"==", Operator::kEqual},     {"!=", Operator::kNotEqual}, {"<", Operator::kLess},
      {"<=", Operator::kLessEqual}, {">", Operator::kGreater},   {">=", Operator::kGreaterEqual}};
  const int line = token().line;
  Comparison result{boxed(sum()), {}};
  for (;;) {
    bool found = false;
    for (const auto& [text, op] : kOperators) {
      if (!skip(text)) continue;
      result.rest.push_back({op, sum()});
      found = true;
      break;
    }
    if (found) continue;
    if (skip_name("in")) {
      result.rest.push_back({Operator::kIn, sum()});
    } else if (at_name("not") && at_name("in", 1)) {
      next();
      next();
      result.rest.push_back({Operator::kNotIn, sum()});
    } else {
      break;
    }
  }
  if (result.rest.empty()) return std::move(*result.first);
  return {line, std::move(result)};
}

template <class Operand>
Expression ExpressionParser::chain(
    std::initializer_list<std::pair<std::string_view, Operator>> operators, Operand operand) {
  const int line = token().line;
  Arithmetic result{boxed(operand()), {}};
  for (bool found = true; found;) {
    found = false;
    for (const auto& [text, op] : operators) {
      if (!skip(text)) continue;
      result.rest.push_back({op, operand()});
      found = true;
      break;
    }
  }
  if (result.rest.empty()) return std::move(*result.first);
  return {line, std::move(result)};
}

Expression ExpressionParser::sum() {
  return chain({{"+", Operator::kAdd}, {"-", Operator::kSubtract}},
               [&] { return concatenation(); });
}

Expression ExpressionParser::concatenation() {
  const int line = token().line;
  Expression first = product();
  if (!at("~")) return first;
  Concatenation result;
  result.parts.push_back(std::move(first));
  while (skip("~")) result.parts.push_back(product());
  return {line, std::move(result)};
}

Expression ExpressionParser::product() {
  return chain({{"*", Operator::kMultiply},
                {"/", Operator::kDivide},
                {"//", Operator::kFloorDivide},
                {"%", Operator::kModulo}},
               [&] { return power(); });
}

Expression ExpressionParser::power() {
  return chain({{"**", Operator::kPower}}, [&] { return unary(); });
}

Expression ExpressionParser::unary(bool with_filters) {
  const Level level(*this);
  const int line = token().line;
  Expression result{line, Captured{}};
  if (skip("-")) {
    result = {line, Negation{boxed(unary(false))}};
  } else if (skip("+")) {
    result = unary(false);
  } else {
    result = primary();
  }
  result = postfix(std::move(result));
  return with_filters ? filters_and_tests(std::move(result)) : std::move(result);
}

Expression ExpressionParser::primary() {
  const Token first = token();
  const auto literal = [&](Value v) { return Expression{first.line, Literal{std::move(v)}}; };
  switch (first.kind) {
    case TokenKind::kName:
      next();
      names_.varargs |= first.text == "varargs";
      names_.kwargs |= first.text == "kwargs";
      if (first.text == "true" || first.text == "True") return literal(true);
      if (first.text == "false" || first.text == "False") return literal(false);
      if (first.text == "none" || first.text == "None") return literal(None{});
      return {first.line, Name{first.text}};
    case TokenKind::kString: {
      std::string text;
      while (token().kind == TokenKind::kString) text += next().text;
      return literal(Value::literal(std::move(text)));
    }
    case TokenKind::kInteger:
      return literal(integer_value(next()));
    case TokenKind::kFloat:
      return literal(std::strtod(next().text.c_str(), nullptr));
    default:
      break;
  }
  if (at("[")) return list();
  if (at("{")) return dict();
  if (!skip("(")) unexpected("an expression");
  Expression result = tuple(true, "", true);
  expect(")");
  return result;
}

Expression ExpressionParser::list() {
  const int line = token().line;
  ListDisplay result{{}, false};
  expect("[");
  while (!at("]")) {
    result.items.push_back(expression());
    if (!at("]")) expect(",");
  }
  expect("]");
  return {line, std::move(result)};
}

Expression ExpressionParser::dict() {
  const int line = token().line;
  DictDisplay result;
  expect("{");
  while (!at("}")) {
    Expression key = expression();
    expect(":");
    result.items.push_back({std::move(key), expression()});
    if (!at("}")) expect(",");
  }
  expect("}");
  return {line, std::move(result)};
}

// A chain of .name, [key], (arguments) nests to the left, so its length is a depth.
Expression ExpressionParser::postfix(Expression operand) {
  for (int n = 0; at(".") || at("[") || at("("); ++n) {
    if (n == kMaxChain)
      fail_at(token().line, fmt::format("more than {} accesses in a row", kMaxChain));
    const int line = token().line;
    if (at("(")) {
      operand = {line, Invocation{boxed(std::move(operand)), arguments()}};
    } else if (at("[")) {
      operand = subscript(std::move(operand));
    } else {
      next();
      if (token().kind == TokenKind::kInteger) {
        Expression key{line, Literal{integer_value(next())}};
        operand = {line, Subscript{boxed(std::move(operand)), boxed(std::move(key))}};
      } else {
        operand = {line, Attribute{boxed(std::move(operand)), expect_name()}};
      }
    }
  }
  return operand;
}

Expression ExpressionParser::subscript(Expression operand) {
  const int line = token().line;
  expect("[");
  ExpressionPtr parts[3];
  size_t colons = 0;
  while (!at("]")) {
    if (skip(":")) {
      if (++colons > 2) unexpected("']'");
    } else if (!parts[colons]) {
      parts[colons] = boxed(expression());
    } else {
      unexpected("']'");
    }
  }
  expect("]");
  if (colons > 0) {
    return {line, Slice{boxed(std::move(operand)), std::move(parts[0]), std::move(parts[1]),
                        std::move(parts[2])}};
  }
  if (!parts[0]) fail_at(line, "[] needs an index");
  return {line, Subscript{boxed(std::move(operand)), std::move(parts[0])}};
}

CallArguments ExpressionParser::arguments() {
  CallArguments result;
  expect("(");
  while (!at(")")) {
    const int line = token().line;
    const auto check = [&](bool allowed) {
      if (!allowed) fail_at(line, "arguments come in the order: positional, named, *rest, **rest");
    };
    if (skip("*")) {
      check(!result.rest && !result.named_rest);
      result.rest = boxed(expression());
    } else if (skip("**")) {
      check(!result.named_rest);
      result.named_rest = boxed(expression());
    } else if (token().kind == TokenKind::kName && token(1).kind == TokenKind::kOperator &&
               token(1).text == "=") {
      check(!result.named_rest);
      std::string name = next().text;
      next();
      result.named.push_back({std::move(name), expression()});
    } else {
      check(!result.rest && !result.named_rest && result.named.empty());
      result.positional.push_back(expression());
    }
    if (!at(")")) expect(",");
  }
  expect(")");
  return result;
}

std::string ExpressionParser::dotted_name() {
  std::string name = expect_name();
  while (skip(".")) name += "." + expect_name();
  return name;
}

Expression ExpressionParser::filter(Expression operand) {
  const int line = token().line;
  FilterUse use{boxed(std::move(operand)), dotted_name(), nullptr, {}};
  use.filter = find_filter(use.name);
  if (at("(")) use.arguments = arguments();
  return {line, std::move(use)};
}

Expression ExpressionParser::filters(Expression operand) {
  for (int n = 0; skip("|"); ++n) {
    if (n == kMaxChain)
      fail_at(token().line, fmt::format("more than {} filters in a row", kMaxChain));
    operand = filter(std::move(operand));
  }
  return operand;
}

Expression ExpressionParser::filters_and_tests(Expression operand) {
  for (int n = 0;; ++n) {
    if (n == kMaxChain)
      fail_at(token().line, fmt::format("more than {} filters in a row", kMaxChain));
    const int line = token().line;
    if (skip("|")) {
      operand = filter(std::move(operand));
    } else if (skip_name("is")) {
      operand = test(std::move(operand));
    } else if (at("(")) {
      operand = {line, Invocation{boxed(std::move(operand)), arguments()}};
    } else {
      return operand;
    }
  }
}

Expression ExpressionParser::test(Expression operand) {
  const int line = token().line;
  const bool negated = skip_name("not");
  TestUse use{boxed(std::move(operand)), dotted_name(), nullptr, {}};
  use.test = find_test(use.name);
  const TokenKind kind = token().kind;
  const bool begins_operand = kind == TokenKind::kName || kind == TokenKind::kString ||
                              kind == TokenKind::kInteger || kind == TokenKind::kFloat || at("[") ||
                              at("{");
  if (at("(")) {
    use.arguments = arguments();
  } else if (at_name("is")) {
    fail_at(line, "tests cannot be chained: write `x is a and x is b`");
  } else if (begins_operand && !at_name("else") && !at_name("or") && !at_name("and") &&
             !at_name("if")) {
    use.arguments.positional.push_back(postfix(primary()));
  }
  Expression result{line, std::move(use)};
  if (!negated) return result;
  return {line, Not{boxed(std::move(result))}};
}

}  // namespace r1::jinja
