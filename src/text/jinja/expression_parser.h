// The expression half of the grammar; parser.cpp adds the statements.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace r1::jinja {

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // The names by which a macro takes more arguments than it has parameters; noted where they occur.
  struct ExtraNames {
    bool varargs = false, kwargs = false;
  };

  // One level of recursion of the parser.
  class Level {
   public:
    explicit Level(ExpressionParser& parser);
    ~Level() { --parser_.level_; }
    Level(const Level&) = delete;

   private:
    ExpressionParser& parser_;
  };

  const Token& token(size_t ahead = 0) const;
  Token next();
  bool at(std::string_view operator_text) const;
  bool at_name(std::string_view name, size_t ahead = 0) const;
  bool skip(std::string_view operator_text);
  bool skip_name(std::string_view name);
  void expect(std::string_view operator_text);
  std::string expect_name();
  [[noreturn]] void unexpected(std::string_view wanted) const;

  Expression expression(bool conditional = true);
  // `a, b` is a tuple; `stop` names end it, as a closing token does.
  Expression tuple(bool conditional = true, std::string_view stop = "", bool parentheses = false);
  Expression filters(Expression operand);  // operand | f | g
  Expression filter(Expression operand);   // f(...), after the |

  ExtraNames names_;

 private:
  Expression logic(bool all);
  Expression negation();
  Expression comparison();
  Expression sum();
  Expression concatenation();
  Expression product();
  Expression power();
  Expression unary(bool with_filters = true);
  Expression primary();
  Expression postfix(Expression operand);
  Expression filters_and_tests(Expression operand);
  Expression test(Expression operand);
  Expression subscript(Expression operand);
  Expression dict();
  Expression list();
  CallArguments arguments();
  std::string dotted_name();
  template <class Operand>
  Expression chain(std::initializer_list<std::pair<std::string_view, Operator>> operators,
                   Operand operand);

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int level_ = 0;
};

}  // namespace r1::jinja
