// Expressions.
#include <fmt/format.h>

#include "text/jinja/interpreter.h"

namespace r1::jinja {

using Kind = Value::Kind;

Value Interpreter::evaluate(const Expression& e) {
  const Budget::Level level(budget_);
  budget_.step();
  line_ = e.line;
  return std::visit([this](const auto& kind) { return value(kind); }, e.kind);
}

Value Interpreter::value(const Literal& e) { return e.value; }

Value Interpreter::value(const Name& e) {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    if (const auto found = scope->names.find(e.name); found != scope->names.end())
      return found->second;
  }
  if (const Builtin* function = find_function(e.name)) return budget_.function({}, function);
  return Value::undefined(fmt::format("'{}' is undefined", e.name));
}

Value Interpreter::value(const Captured&) { return captured_; }

Value Interpreter::value(const ListDisplay& e) {
  Values items;
  items.reserve(e.items.size());
  for (const Expression& item : e.items) items.push_back(evaluate(item));
  return budget_.list(std::move(items), e.tuple ? SequenceKind::kTuple : SequenceKind::kList);
}

Value Interpreter::value(const DictDisplay& e) {
  Mapping mapping;
  for (const auto& [key_expression, value_expression] : e.items) {
    Value key = evaluate(key_expression), entry = evaluate(value_expression);
    if (key.is(Kind::kSequence) || key.is(Kind::kMapping)) {
      throw Failure(fmt::format("unhashable type: '{}'", key.type_name()));
    }
    budget_.step(mapping.items.size() / 16);
    if (const Value* old = mapping.find(key)) {
      *const_cast<Value*>(old) = std::move(entry);
    } else {
      mapping.items.emplace_back(std::move(key), std::move(entry));
    }
  }
  return budget_.mapping(std::move(mapping.items));
}

Value Interpreter::value(const Attribute& e) {
  return attribute(budget_, evaluate(*e.object), e.name);
}

Value Interpreter::value(const Subscript& e) {
  const Value object = evaluate(*e.object);
  return subscript(budget_, object, evaluate(*e.key));
}

Value Interpreter::value(const Slice& e) {
  const Value object = evaluate(*e.object);
  Value bounds[3];
  const Value* given[3] = {};
  const Expression* const expressions[3] = {e.begin.get(), e.end.get(), e.step.get()};
  for (size_t i = 0; i < 3; ++i) {
    if (!expressions[i]) continue;
    bounds[i] = evaluate(*expressions[i]);
    given[i] = &bounds[i];
  }
  return slice(budget_, object, given[0], given[1], given[2]);
}

Arguments Interpreter::evaluate(const CallArguments& given) {
  Arguments result;
  for (const Expression& e : given.positional) result.positional.push_back(evaluate(e));
  for (const auto& [name, e] : given.named) result.named.emplace_back(name, evaluate(e));
  if (given.rest) {
    for (Value& v : iterate(budget_, evaluate(*given.rest)))
      result.positional.push_back(std::move(v));
  }
  if (given.named_rest) {
    const Value rest = evaluate(*given.named_rest);
    if (!rest.is(Kind::kMapping))
      throw Failure(fmt::format("argument after ** must be a dict, not {}", rest.type_name()));
    for (const auto& [key, v] : rest.mapping().items) {
      if (!key.is(Kind::kString)) throw Failure("keywords must be strings");
      result.named.emplace_back(key.text(), v);
    }
  }
  return result;
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  switch (callee.kind()) {
    case Kind::kUndefined:
      throw Failure(callee.why());
    case Kind::kFunction:
      return jinja::run(*this, *callee.function().builtin, callee.function().self, arguments);
    case Kind::kObject:
      return callee.object().call(arguments);
    default:
      throw Failure(fmt::format("'{}' object is not callable", callee.type_name()));
  }
}

Value Interpreter::value(const Invocation& e) {
  const int line = line_;
  const Value callee = evaluate(*e.callee);
  const Arguments arguments = evaluate(e.arguments);
  line_ = line;
  return call(callee, arguments);
}

Value Interpreter::value(const FilterUse& e) {
  const int line = line_;
  if (!e.filter) throw Failure(fmt::format("No filter named '{}'.", e.name));
  const Value operand = evaluate(*e.operand);
  const Arguments arguments = evaluate(e.arguments);
  line_ = line;
  return jinja::run(*this, *e.filter, operand, arguments);
}

Value Interpreter::value(const TestUse& e) {
  const int line = line_;
  if (!e.test) throw Failure(fmt::format("No test named '{}'.", e.name));
  const Value operand = evaluate(*e.operand);
  const Arguments arguments = evaluate(e.arguments);
  line_ = line;
  return jinja::run(*this, *e.test, operand, arguments);
}

Value Interpreter::value(const Negation& e) { return negated(evaluate(*e.operand)); }
Value Interpreter::value(const Not& e) { return !evaluate(*e.operand).truthy(); }

Value Interpreter::value(const Arithmetic& e) {
  const int line = line_;
  Value result = evaluate(*e.first);
  for (const auto& [op, operand] : e.rest) {
    const Value right = evaluate(operand);
    line_ = line;
    result = arithmetic(budget_, op, result, right);
  }
  return result;
}

Value Interpreter::value(const Comparison& e) {
  const int line = line_;
  Value left = evaluate(*e.first);
  for (const auto& [op, operand] : e.rest) {
    Value right = evaluate(operand);
    line_ = line;
    if (!comparison(budget_, op, left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::value(const Concatenation& e) {
  Output out(budget_);
  for (const Expression& part : e.parts) write_text(out, evaluate(part));
  return budget_.string(out.take());
}

Value Interpreter::value(const Logic& e) {
  Value result;
  for (const Expression& operand : e.operands) {
    result = evaluate(operand);
    if (result.truthy() != e.all) break;
  }
  return result;
}

Value Interpreter::value(const Conditional& e) {
  if (evaluate(*e.condition).truthy()) return evaluate(*e.then);
  if (e.otherwise) return evaluate(*e.otherwise);
  return Value::undefined(
      "the inline if-expression evaluated to false and no else section was defined");
}

}  // namespace r1::jinja
