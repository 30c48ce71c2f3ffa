// The operators of the language on values, by Python's rules: what fails there fails here, in the
// same words.
#pragma once

#include "text/jinja/budget.h"

namespace r1::jinja {

enum class Operator {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

Value arithmetic(Budget& budget, Operator op, const Value& a, const Value& b);
bool comparison(Budget& budget, Operator op, const Value& a, const Value& b);
Value negated(const Value& v);
bool contains(Budget& budget, const Value& container, const Value& item);

// a[begin:end:step] of a string or sequence; null: left out.
Value slice(Budget& budget, const Value& v, const Value* begin, const Value* end,
            const Value* step);

// What a loop over v sees: elements, keys, characters; nothing for an undefined value.
Values iterate(Budget& budget, const Value& v);
int64_t length(const Value& v);

// v.name and v[key] as Jinja2's getattr and getitem: absent is undefined, of an undefined value a
// Failure.
Value attribute(Budget& budget, const Value& v, std::string_view name);
Value subscript(Budget& budget, const Value& v, const Value& key);

// format % values: %s %r %d %i %u %f %e %g %x %X %o %c with flags, width and precision.
std::string format_percent(Budget& budget, const std::string& format, const Values& values);

}  // namespace r1::jinja
