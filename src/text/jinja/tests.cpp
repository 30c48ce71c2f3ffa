// Tests (`x is name`), by Jinja2's documentation
// (https://jinja.palletsprojects.com/templates/#builtin-tests).
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

template <Kind k>
Value is_kind(const Call& c) {
  return c.self.is(k);
}

template <bool wanted>
Value is_bool(const Call& c) {
  return c.self.is(Kind::kBool) && c.self.boolean() == wanted;
}

template <Operator op>
Value compares(const Call& c) {
  return comparison(c.budget, op, c.self, c[0]);
}

Value is_defined(const Call& c) { return !c.self.is(Kind::kUndefined); }
Value is_number(const Call& c) { return c.self.is_number(); }
Value is_callable(const Call& c) {
  return c.self.is(Kind::kFunction) ||
         (c.self.is(Kind::kObject) && c.self.object().type_name() != "Namespace");
}
Value is_sequence(const Call& c) {
  return c.self.is(Kind::kUndefined) || c.self.is(Kind::kString) || c.self.is(Kind::kMapping) ||
         (c.self.is(Kind::kSequence) && c.self.sequence().kind != SequenceKind::kLazy);
}
Value is_iterable(const Call& c) {
  return c.self.is(Kind::kUndefined) || c.self.is(Kind::kString) || c.self.is(Kind::kMapping) ||
         c.self.is(Kind::kSequence);
}
Value is_upper(const Call& c) { return all_of_class(c.self_text(), CharacterClass::kUpper); }
Value is_lower(const Call& c) { return all_of_class(c.self_text(), CharacterClass::kLower); }
Value is_filter(const Call& c) {
  return c.self.is(Kind::kString) && find_filter(c.self.text()) != nullptr;
}
Value is_test(const Call& c) {
  return c.self.is(Kind::kString) && find_test(c.self.text()) != nullptr;
}
Value is_escaped(const Call&) { return false; }

// Identity: of scalars their type and value, of containers the very same one.
Value is_same(const Call& c) {
  const Value &a = c.self, &b = c[0];
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::kSequence)) return &a.sequence() == &b.sequence();
  if (a.is(Kind::kMapping)) return &a.mapping() == &b.mapping();
  return equal(c.budget, a, b);
}

bool divisible(const Call& c, const Value& divisor, int64_t rest) {
  return equal(c.budget, arithmetic(c.budget, Operator::kModulo, c.self, divisor), rest);
}
Value is_divisible(const Call& c) { return divisible(c, c[0], 0); }
Value is_even(const Call& c) { return divisible(c, int64_t{2}, 0); }
Value is_odd(const Call& c) { return divisible(c, int64_t{2}, 1); }

constexpr Builtin kTests[] = {
    {"!=", compares<Operator::kNotEqual>, "other!"},
    {"<", compares<Operator::kLess>, "other!"},
    {"<=", compares<Operator::kLessEqual>, "other!"},
    {"==", compares<Operator::kEqual>, "other!"},
    {">", compares<Operator::kGreater>, "other!"},
    {">=", compares<Operator::kGreaterEqual>, "other!"},
    {"boolean", is_kind<Kind::kBool>},
    {"callable", is_callable},
    {"defined", is_defined},
    {"divisibleby", is_divisible, "num!"},
    {"eq", compares<Operator::kEqual>, "other!"},
    {"equalto", compares<Operator::kEqual>, "other!"},
    {"escaped", is_escaped},
    {"even", is_even},
    {"false", is_bool<false>},
    {"filter", is_filter},
    {"float", is_kind<Kind::kFloat>},
    {"ge", compares<Operator::kGreaterEqual>, "other!"},
    {"greaterthan", compares<Operator::kGreater>, "other!"},
    {"gt", compares<Operator::kGreater>, "other!"},
    {"in", compares<Operator::kIn>, "seq!"},
    {"integer", is_kind<Kind::kInt>},
    {"iterable", is_iterable},
    {"le", compares<Operator::kLessEqual>, "other!"},
    {"lessthan", compares<Operator::kLess>, "other!"},
    {"lower", is_lower},
    {"lt", compares<Operator::kLess>, "other!"},
    {"mapping", is_kind<Kind::kMapping>},
    {"ne", compares<Operator::kNotEqual>, "other!"},
    {"none", is_kind<Kind::kNone>},
    {"number", is_number},
    {"odd", is_odd},
    {"sameas", is_same, "other!"},
    {"sequence", is_sequence},
    {"string", is_kind<Kind::kString>},
    {"test", is_test},
    {"true", is_bool<true>},
    {"undefined", is_kind<Kind::kUndefined>},
    {"upper", is_upper},
};

}  // namespace

std::span<const Builtin> tests() { return kTests; }

}  // namespace r1::jinja
