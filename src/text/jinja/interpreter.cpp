#include "text/jinja/interpreter.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "text/jinja/objects.h"

namespace r1::jinja {

class Interpreter::Inside {
 public:
  Inside(Interpreter& interpreter, std::shared_ptr<Scope> scope) : interpreter_(interpreter) {
    outer_ = std::exchange(interpreter_.scope_, std::move(scope));
  }
  ~Inside() { interpreter_.scope_ = std::move(outer_); }
  Inside(const Inside&) = delete;

  static std::shared_ptr<Scope> child_of(const std::shared_ptr<Scope>& parent) {
    return std::make_shared<Scope>(Scope{parent, {}});
  }

 private:
  Interpreter& interpreter_;
  std::shared_ptr<Scope> outer_;
};

Interpreter::Interpreter(const TemplateLimits& limits) : Runtime(limits) {}
Interpreter::~Interpreter() = default;

template <class T, class... Args>
T* Interpreter::make(Args&&... args) {
  budget_.hold(sizeof(T) + 64);  // until the render ends
  auto object = std::make_unique<T>(std::forward<Args>(args)...);
  T* const result = object.get();
  objects_.push_back(std::move(object));
  return result;
}

Value Interpreter::from_json(const nlohmann::ordered_json& json, int depth) {
  if (depth > budget_.max_depth()) {
    throw Failure(
        fmt::format("the variables are nested more than {} levels deep", budget_.max_depth()));
  }
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::json::value_t::number_integer:
      return json.get<int64_t>();
    case nlohmann::json::value_t::number_unsigned:
      if (json.get<uint64_t>() > INT64_MAX)
        throw Failure(fmt::format("{} is no 64-bit integer", json.get<uint64_t>()));
      return json.get<int64_t>();
    case nlohmann::json::value_t::number_float:
      return json.get<double>();
    case nlohmann::json::value_t::string:
      return budget_.string(json.get_ref<const std::string&>());
    case nlohmann::json::value_t::array: {
      Values items;
      for (const auto& item : json) items.push_back(from_json(item, depth + 1));
      return budget_.list(std::move(items));
    }
    case nlohmann::json::value_t::object: {
      Items items;
      for (const auto& [key, item] : json.items())
        items.emplace_back(budget_.string(key), from_json(item, depth + 1));
      return budget_.mapping(std::move(items));
    }
    default:
      return None{};
  }
}

std::string Interpreter::render(const Body& body, const nlohmann::ordered_json& variables) {
  scope_ = std::make_shared<Scope>();
  for (const auto& [name, value] : variables.items()) scope_->names[name] = from_json(value, 1);
  Output out(budget_);
  run(body, out);
  return out.take();
}

Value Interpreter::new_namespace(Items items) { return make<Namespace>(std::move(items)); }

Interpreter::Flow Interpreter::run(const Body& body, Output& out) {
  const Budget::Level level(budget_);
  for (const Statement& statement : body) {
    budget_.step();
    line_ = statement.line;
    const Flow flow =
        std::visit([&](const auto& kind) { return execute(kind, out); }, statement.kind);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Text& s, Output& out) {
  out.append(s.text);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Print& s, Output& out) {
  write_text(out, evaluate(s.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const If& s, Output& out) {
  for (const auto& [condition, body] : s.branches) {
    if (evaluate(condition).truthy()) return run(body, out);
  }
  return run(s.otherwise, out);
}

Interpreter::Flow Interpreter::execute(const For& s, Output& out) {
  return run_loop(s, evaluate(s.iterable), 0, out);
}

Interpreter::Flow Interpreter::run_loop(const For& s, const Value& iterable, int depth,
                                        Output& out) {
  Values items = iterate(budget_, iterable);
  if (s.filter) {
    Values kept;
    for (Value& item : items) {
      const Inside inside(*this, Inside::child_of(scope_));
      assign(s.target, item);
      if (evaluate(*s.filter).truthy()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    const Inside inside(*this, Inside::child_of(scope_));
    return run(s.otherwise, out);
  }
  Loop* const loop = make<Loop>(*this, s, scope_, std::move(items), depth);
  for (; loop->at < loop->items.size(); ++loop->at) {
    budget_.step();
    const Inside inside(*this, Inside::child_of(scope_));
    scope_->names["loop"] = loop;
    assign(s.target, loop->items[loop->at]);
    if (run(s.body, out) == Flow::kBreak) break;
  }
  loop->items = {};
  return Flow::kNext;
}

Value Interpreter::run_nested_loop(const For& loop, const std::shared_ptr<Scope>& scope,
                                   const Value& iterable, int depth) {
  if (depth > budget_.max_depth()) {
    throw Failure(fmt::format("a loop recurses more than {} levels deep", budget_.max_depth()));
  }
  const Inside inside(*this, scope);
  Output out(budget_);
  run_loop(loop, iterable, depth, out);
  return budget_.string(out.take());
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) {
    const Value object = this->value(Name{target.name});
    auto* const space =
        object.is(Value::Kind::kObject) ? dynamic_cast<Namespace*>(&object.object()) : nullptr;
    if (!space) throw Failure("cannot assign attribute on non-namespace object");
    return space->set(target.attribute, value);
  }
  if (target.parts.empty()) {
    scope_->names[target.name] = value;
    return;
  }
  const Values values = iterate(budget_, value);
  if (values.size() != target.parts.size()) {
    throw Failure(
        fmt::format("cannot unpack {} values into {} names", values.size(), target.parts.size()));
  }
  for (size_t i = 0; i < values.size(); ++i) assign(target.parts[i], values[i]);
}

Interpreter::Flow Interpreter::execute(const Set& s, Output&) {
  assign(s.target, evaluate(s.value));
  return Flow::kNext;
}

// What a body renders, passed through the block's filters.
Value Interpreter::captured(const Body& body, const Expression& value) {
  Value text;
  {
    const Inside inside(*this, Inside::child_of(scope_));
    Output out(budget_);
    run(body, out);
    text = budget_.string(out.take());
  }
  Value outer = std::exchange(captured_, std::move(text));
  Value result = evaluate(value);
  captured_ = std::move(outer);
  return result;
}

Interpreter::Flow Interpreter::execute(const SetBlock& s, Output&) {
  assign(s.target, captured(s.body, s.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const FilterBlock& s, Output& out) {
  write_text(out, captured(s.body, s.value));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const With& s, Output& out) {
  Values values;  // none sees another of the same block
  for (const auto& [target, value] : s.values) values.push_back(evaluate(value));
  const Inside inside(*this, Inside::child_of(scope_));
  for (size_t i = 0; i < values.size(); ++i) assign(s.values[i].first, values[i]);
  return run(s.body, out);
}

Interpreter::Flow Interpreter::execute(const Macro& s, Output&) {
  scope_->names[s.definition.name] = make<MacroObject>(*this, s.definition, scope_);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const CallBlock& s, Output& out) {
  const auto& invocation = std::get<Invocation>(s.call.kind);
  const Value callee = evaluate(*invocation.callee);
  Arguments arguments = evaluate(invocation.arguments);
  arguments.named.emplace_back("caller", make<MacroObject>(*this, s.caller, scope_));
  line_ = s.call.line;
  write_text(out, call(callee, arguments));
  return Flow::kNext;
}

Value Interpreter::run_macro(const MacroDefinition& macro, const std::shared_ptr<Scope>& scope,
                             const Arguments& arguments) {
  const Inside inside(*this, Inside::child_of(scope));
  auto& names = scope_->names;
  names["caller"] = Value::undefined("No caller defined");
  const size_t n = macro.parameters.size();
  Values varargs;
  Items kwargs;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < n) {
      names[macro.parameters[i].name] = arguments.positional[i];
    } else if (macro.varargs) {
      varargs.push_back(arguments.positional[i]);
    } else {
      throw Failure(fmt::format("macro '{}' takes not more than {} argument(s)", macro.name, n));
    }
  }
  for (const auto& [name, value] : arguments.named) {
    size_t i = 0;
    while (i < n && macro.parameters[i].name != name) ++i;
    if (i < arguments.positional.size() && i < n) {
      throw Failure(
          fmt::format("macro '{}' got two values for the argument '{}'", macro.name, name));
    }
    if (i < n || name == "caller") {
      names[name] = value;
    } else if (macro.kwargs) {
      kwargs.emplace_back(budget_.string(name), value);
    } else {
      throw Failure(fmt::format("macro '{}' takes no keyword argument '{}'", macro.name, name));
    }
  }
  for (const Parameter& parameter : macro.parameters) {
    if (names.contains(parameter.name)) continue;
    names[parameter.name] =
        parameter.otherwise
            ? evaluate(*parameter.otherwise)
            : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
  }
  if (macro.varargs) names["varargs"] = budget_.list(std::move(varargs), SequenceKind::kTuple);
  if (macro.kwargs) names["kwargs"] = budget_.mapping(std::move(kwargs));
  if (++calls_ > budget_.max_depth()) {
    throw Failure(
        fmt::format("macros call each other more than {} levels deep", budget_.max_depth()));
  }
  Output out(budget_);
  run(macro.body, out);
  --calls_;
  return budget_.string(out.take());
}

}  // namespace r1::jinja
