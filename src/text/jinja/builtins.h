// What a template may call: filters, tests, methods and functions, each one line in a visible table
// that gives its name, its code and its parameters (those with ! must be given; * takes the rest,
// ** any keyword).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/budget.h"

namespace r1::jinja {

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;
};

// What builtins may ask of the interpreter.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual Value new_namespace(Items items) = 0;
  Budget& budget() { return budget_; }

 protected:
  explicit Runtime(const TemplateLimits& limits) : budget_(limits) {}
  Budget budget_;
};

// One call: the value it works on and its arguments in the order of the parameters.
class Call {
 public:
  Call(Runtime& runtime, const Value& subject, const Builtin& builtin, const Arguments& arguments);

  Runtime& runtime;
  Budget& budget;
  const Value& self;  // the filtered or tested value, the method's object

  bool has(size_t i) const { return bound_[i] != nullptr; }
  const Value& operator[](size_t i) const;  // an undefined value where absent
  int64_t integer(size_t i, int64_t absent = 0) const;
  bool flag(size_t i, bool absent = false) const;
  std::string text(size_t i,
                   std::string_view absent = "") const;  // str() of it; none counts as absent
  std::string self_text() const { return to_text(budget, self); }
  const Arguments& arguments() const { return arguments_; }
  Arguments rest(size_t begin) const;  // positional from `begin` on, and all named

 private:
  const Builtin& builtin_;
  const Arguments& arguments_;
  std::vector<const Value*> bound_;
};

struct Builtin {
  const char* name;
  Value (*run)(const Call& call);
  const char* parameters = "";
};

// Null where there is none of the name.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_function(std::string_view name);
const Builtin* find_method(Value::Kind kind, std::string_view name);

// The tables, one file each.
std::span<const Builtin> text_filters();
std::span<const Builtin> sequence_filters();
std::span<const Builtin> text_methods();
std::span<const Builtin> sequence_methods();
std::span<const Builtin> mapping_methods();
std::span<const Builtin> tests();
std::span<const Builtin> functions();

Value run(Runtime& runtime, const Builtin& builtin, const Value& self, const Arguments& arguments);

// "a.b.0" from v, by subscript().
Value attribute_path(Budget& budget, Value v, const Value& path);

// Shared by filters and methods.
std::string replace_all(Budget& budget, const std::string& text, const std::string& from,
                        const std::string& to,
                        int64_t count);  // count < 0: all
std::string centered(Budget& budget, const std::string& text, int64_t width,
                     const std::string& fill);

// json.dumps(v, ensure_ascii, indent, separators, sort_keys).
Value to_json(const Call& call);

}  // namespace r1::jinja
