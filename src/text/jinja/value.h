// A value of the template language: Python's types as templates see them. Everything is immutable
// but the namespace, as in Jinja2's ImmutableSandboxedEnvironment. Strings are UTF-8 and counted in
// code points; a byte that is no UTF-8 counts as one (Tokenizer::kLiteral passes through).
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace r1::jinja {

class Object;
struct Arguments;
struct Function;
struct Mapping;
struct Sequence;

// Stops a parse or a render; becomes an Error at the border (chat_template.cpp).
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// By raise_exception: its message is the whole error.
class Raised : public Failure {
  using Failure::Failure;
};

struct None {};

struct Undefined {
  std::shared_ptr<const std::string>
      why;  // what a use of it is answered with: "'foo' is undefined"
};

class Value {
 public:
  enum class Kind {
    kUndefined,
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,
    kSequence,
    kMapping,
    kFunction,
    kObject
  };

  Value() = default;
  Value(None) : data_(None{}) {}
  template <std::same_as<bool> T>  // nothing else, above all no pointer, may turn into a bool
  Value(T v) : data_(v) {}
  Value(int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(Undefined v) : data_(std::move(v)) {}
  Value(std::shared_ptr<const std::string> v) : data_(std::move(v)) {}
  Value(std::shared_ptr<const Sequence> v) : data_(std::move(v)) {}
  Value(std::shared_ptr<const Mapping> v) : data_(std::move(v)) {}
  Value(std::shared_ptr<const Function> v) : data_(std::move(v)) {}
  Value(Object* v) : data_(v) {}

  static Value undefined(std::string why);
  static Value literal(std::string text);  // a string outside any Budget

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind k) const { return kind() == k; }
  bool is_number() const { return is(Kind::kBool) || is(Kind::kInt) || is(Kind::kFloat); }
  bool is_integer() const {
    return is(Kind::kBool) || is(Kind::kInt);
  }  // a bool is an int in Python

  // Only after the kind was asked.
  bool boolean() const { return std::get<bool>(data_); }
  int64_t integer() const {
    return is(Kind::kBool) ? int64_t{boolean()} : std::get<int64_t>(data_);
  }
  double real() const {
    return is_integer() ? static_cast<double>(integer()) : std::get<double>(data_);
  }
  const std::string& text() const { return *std::get<std::shared_ptr<const std::string>>(data_); }
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(data_); }
  const Mapping& mapping() const { return *std::get<std::shared_ptr<const Mapping>>(data_); }
  const Function& function() const { return *std::get<std::shared_ptr<const Function>>(data_); }
  Object& object() const { return *std::get<Object*>(data_); }

  bool truthy() const;
  int depth() const;               // 0 for scalars, 1 + the deepest element's for containers
  std::string type_name() const;   // Python's: "str", "dict", "NoneType", ...
  const std::string& why() const;  // of an undefined value

 private:
  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Mapping>,
               std::shared_ptr<const Function>, Object*>
      data_;
};

using Values = std::vector<Value>;
using Items = std::vector<std::pair<Value, Value>>;

// A lazy sequence is what Python's generators give (map, select, ...): always true, without a
// length.
enum class SequenceKind { kList, kTuple, kLazy };

struct Sequence {
  Values items;
  SequenceKind kind = SequenceKind::kList;
  int depth = 1;
};

struct Mapping {
  Items items;  // in the order of insertion
  int depth = 1;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
};

struct Builtin;

// A method with its object, or a function of the language.
struct Function {
  Value self;
  const Builtin* builtin;
};

// What has an identity or a state: namespaces, macros, `loop`. Lives as long as the render
// (Interpreter).
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  virtual Value attribute(std::string_view name) = 0;
  virtual Value call(const Arguments& arguments);  // a Failure unless overridden
};

}  // namespace r1::jinja
