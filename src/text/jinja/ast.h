// The tree of a parsed template. Nested at most kMaxNesting deep, so that walking it may recurse;
// chains of operators are flat lists.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"

namespace r1::jinja {

constexpr int kMaxNesting = 100;
constexpr int kMaxChain = 32;  // accesses, calls or filters in a row, which nest to the left

struct Expression;
struct NamedExpression;
struct DictEntry;
struct Operand;
using ExpressionPtr = std::unique_ptr<Expression>;
using Expressions = std::vector<Expression>;

struct CallArguments {
  Expressions positional;
  std::vector<NamedExpression> named;
  ExpressionPtr rest, named_rest;  // *rest, **named_rest; may be null
};

struct Literal {
  Value value;
};
struct Name {
  std::string name;
};
struct Captured {};  // the body of a filter or set block, which its filters work on
struct ListDisplay {
  Expressions items;
  bool tuple;
};
struct DictDisplay {
  std::vector<DictEntry> items;
};
struct Attribute {
  ExpressionPtr object;
  std::string name;
};
struct Subscript {
  ExpressionPtr object, key;
};
struct Slice {
  ExpressionPtr object, begin, end, step;
};  // the last three may be null
struct Invocation {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct FilterUse {
  ExpressionPtr operand;
  std::string name;
  const Builtin* filter;
  CallArguments arguments;
};
struct TestUse {
  ExpressionPtr operand;
  std::string name;
  const Builtin* test;
  CallArguments arguments;
};
struct Negation {
  ExpressionPtr operand;
};
struct Not {
  ExpressionPtr operand;
};
struct Arithmetic {
  ExpressionPtr first;
  std::vector<Operand> rest;
};  // from left to right
struct Comparison {
  ExpressionPtr first;
  std::vector<Operand> rest;
};  // a < b < c
struct Concatenation {
  Expressions parts;
};
struct Logic {
  Expressions operands;
  bool all;
};  // and, or
struct Conditional {
  ExpressionPtr condition, then, otherwise;
};  // otherwise may be null

struct Expression {
  int line;
  std::variant<Literal, Name, Captured, ListDisplay, DictDisplay, Attribute, Subscript, Slice,
               Invocation, FilterUse, TestUse, Negation, Not, Arithmetic, Comparison, Concatenation,
               Logic, Conditional>
      kind;
};

struct NamedExpression {
  std::string name;
  Expression value;
};
struct DictEntry {
  Expression key, value;
};
struct Operand {  // with the operator before it
  Operator op;
  Expression value;
};

struct Statement;
using Body = std::vector<Statement>;

// What is assigned to: a name, an attribute of a namespace, or several targets.
struct Target {
  std::string name, attribute;
  std::vector<Target> parts;
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // may be null
};

// A macro, or the body of a call block.
struct MacroDefinition {
  std::string name;
  std::vector<Parameter> parameters;
  bool varargs = false, kwargs = false;  // the body names them
  Body body;
};

struct Text {
  std::string text;
};
struct Print {
  Expression value;
};
struct If {
  std::vector<std::pair<Expression, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  Expression iterable;
  ExpressionPtr filter;
  bool recursive;
  Body body, otherwise;
};
struct Set {
  Target target;
  Expression value;
};
struct SetBlock {
  Target target;
  Body body;
  Expression value;
};  // value: Captured, perhaps filtered
struct FilterBlock {
  Body body;
  Expression value;
};
struct With {
  std::vector<std::pair<Target, Expression>> values;
  Body body;
};
struct Macro {
  MacroDefinition definition;
};
struct CallBlock {
  Expression call;
  MacroDefinition caller;
};  // call is an Invocation
struct Break {};
struct Continue {};

struct Statement {
  int line;
  std::variant<Text, Print, If, For, Set, SetBlock, FilterBlock, With, Macro, CallBlock, Break,
               Continue>
      kind;
};

}  // namespace r1::jinja
