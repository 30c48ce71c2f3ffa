#include "text/jinja/value.h"

#include <fmt/format.h>

#include "text/jinja/builtins.h"

namespace r1::jinja {

Value Value::undefined(std::string why) {
  return Undefined{std::make_shared<const std::string>(std::move(why))};
}

Value Value::literal(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

bool Value::truthy() const {
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return boolean();
    case Kind::kInt:
      return integer() != 0;
    case Kind::kFloat:
      return real() != 0;
    case Kind::kString:
      return !text().empty();
    case Kind::kSequence:
      return sequence().kind == SequenceKind::kLazy || !sequence().items.empty();
    case Kind::kMapping:
      return !mapping().items.empty();
    case Kind::kFunction:
    case Kind::kObject:
      return true;
  }
  return false;
}

int Value::depth() const {
  if (is(Kind::kSequence)) return sequence().depth;
  if (is(Kind::kMapping)) return mapping().depth;
  if (is(Kind::kFunction)) return 1 + function().self.depth();
  return 0;
}

std::string Value::type_name() const {
  switch (kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kSequence:
      switch (sequence().kind) {
        case SequenceKind::kList:
          return "list";
        case SequenceKind::kTuple:
          return "tuple";
        case SequenceKind::kLazy:
          return "generator";
      }
      return "list";
    case Kind::kMapping:
      return "dict";
    case Kind::kFunction:
      return "builtin_function_or_method";
    case Kind::kObject:
      return std::string(object().type_name());
  }
  return "";
}

const std::string& Value::why() const {
  static const std::string kUnnamed = "the value is undefined";
  const auto& why = std::get<Undefined>(data_).why;
  return why ? *why : kUnnamed;
}

Value Object::call(const Arguments&) {
  throw Failure(fmt::format("'{}' object is not callable", type_name()));
}

const Value* Mapping::find(std::string_view key) const {
  for (const auto& [name, value] : items) {
    if (name.is(Value::Kind::kString) && name.text() == key) return &value;
  }
  return nullptr;
}

const Value* Mapping::find(const Value& key) const {
  using Kind = Value::Kind;
  if (key.is(Kind::kString)) return find(std::string_view(key.text()));
  for (const auto& [name, value] : items) {
    if (key.is_number() ? name.is_number() && name.real() == key.real()
                        : key.is(Kind::kNone) && name.is(Kind::kNone)) {
      return &value;
    }
  }
  return nullptr;
}

}  // namespace r1::jinja
