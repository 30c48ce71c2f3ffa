// Runs a parsed template. One Interpreter is one render; its Budget bounds every step, byte and
// level.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/jinja/ast.h"

namespace r1::jinja {

// Variables by name; what is not here is looked up in the scope around it.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::map<std::string, Value, std::less<>> names;
};

class Interpreter : public Runtime {
 public:
  enum class Flow { kNext, kBreak, kContinue };

  explicit Interpreter(const TemplateLimits& limits);
  ~Interpreter() override;

  // Throws Failure; line() is then where.
  std::string render(const Body& body, const nlohmann::ordered_json& variables);
  int line() const { return line_; }

  Value new_namespace(Items items) override;
  // The text a macro makes; `scope` is where it was defined.
  Value run_macro(const MacroDefinition& macro, const std::shared_ptr<Scope>& scope,
                  const Arguments& arguments);
  // The text of a recursive loop's next level.
  Value run_nested_loop(const For& loop, const std::shared_ptr<Scope>& scope, const Value& iterable,
                        int depth);

 private:
  class Inside;  // runs in another scope while it lives

  Value from_json(const nlohmann::ordered_json& json, int depth);
  template <class T, class... Args>
  T* make(Args&&... args);

  // Statements; interpreter.cpp
  Flow run(const Body& body, Output& out);
  Flow execute(const Text& s, Output& out);
  Flow execute(const Print& s, Output& out);
  Flow execute(const If& s, Output& out);
  Flow execute(const For& s, Output& out);
  Flow execute(const Set& s, Output& out);
  Flow execute(const SetBlock& s, Output& out);
  Flow execute(const FilterBlock& s, Output& out);
  Flow execute(const With& s, Output& out);
  Flow execute(const Macro& s, Output& out);
  Flow execute(const CallBlock& s, Output& out);
  Flow execute(const Break&, Output&) { return Flow::kBreak; }
  Flow execute(const Continue&, Output&) { return Flow::kContinue; }
  Flow run_loop(const For& loop, const Value& iterable, int depth, Output& out);
  Value captured(const Body& body, const Expression& value);
  void assign(const Target& target, const Value& value);

  // Expressions; evaluate.cpp
  Value evaluate(const Expression& e);
  Value value(const Literal& e);
  Value value(const Name& e);
  Value value(const Captured& e);
  Value value(const ListDisplay& e);
  Value value(const DictDisplay& e);
  Value value(const Attribute& e);
  Value value(const Subscript& e);
  Value value(const Slice& e);
  Value value(const Invocation& e);
  Value value(const FilterUse& e);
  Value value(const TestUse& e);
  Value value(const Negation& e);
  Value value(const Not& e);
  Value value(const Arithmetic& e);
  Value value(const Comparison& e);
  Value value(const Concatenation& e);
  Value value(const Logic& e);
  Value value(const Conditional& e);
  Value call(const Value& callee, const Arguments& arguments);
  Arguments evaluate(const CallArguments& given);

  std::vector<std::unique_ptr<Object>>
      objects_;  // namespaces, macros, loops: they may refer to each other
  std::shared_ptr<Scope> scope_;
  Value captured_;
  int line_ = 1, calls_ = 0;
};

}  // namespace r1::jinja
