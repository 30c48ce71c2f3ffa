// The values with a state: namespaces, macros and the `loop` of a for block.
#pragma once

#include <optional>

#include "text/jinja/interpreter.h"

namespace r1::jinja {

class Namespace : public Object {
 public:
  explicit Namespace(Items items);

  std::string_view type_name() const override { return "Namespace"; }
  Value attribute(std::string_view name) override;
  void set(const std::string& name, Value value) { attributes_[name] = std::move(value); }

 private:
  std::map<std::string, Value, std::less<>> attributes_;
};

class MacroObject : public Object {
 public:
  MacroObject(Interpreter& interpreter, const MacroDefinition& definition,
              std::shared_ptr<Scope> scope)
      : interpreter_(interpreter), definition_(definition), scope_(std::move(scope)) {}

  std::string_view type_name() const override { return "Macro"; }
  Value attribute(std::string_view name) override;
  Value call(const Arguments& arguments) override {
    return interpreter_.run_macro(definition_, scope_, arguments);
  }

 private:
  Interpreter& interpreter_;
  const MacroDefinition& definition_;
  std::shared_ptr<Scope> scope_;
};

class Loop : public Object {
 public:
  Loop(Interpreter& interpreter, const For& statement, std::shared_ptr<Scope> scope,
       Values loop_items, int depth)
      : items(std::move(loop_items)),
        interpreter_(interpreter),
        statement_(statement),
        scope_(std::move(scope)),
        length_(static_cast<int64_t>(items.size())),
        depth_(depth) {}

  std::string_view type_name() const override { return "LoopContext"; }
  Value attribute(std::string_view name) override;
  Value call(const Arguments& arguments) override;
  bool changed(const Values& values);

  Values items;   // emptied when the loop is over
  size_t at = 0;  // the index of the current one

 private:
  Interpreter& interpreter_;
  const For& statement_;
  std::shared_ptr<Scope> scope_;
  int64_t length_;
  int depth_;
  std::optional<Values> last_changed_;
};

}  // namespace r1::jinja
