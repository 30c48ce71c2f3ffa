#include "text/jinja/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "text/jinja/builtins.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {

using Kind = Value::Kind;

namespace {

const char* symbol(Operator op) {
  switch (op) {
    case Operator::kAdd:
      return "+";
    case Operator::kSubtract:
      return "-";
    case Operator::kMultiply:
      return "*";
    case Operator::kDivide:
      return "/";
    case Operator::kFloorDivide:
      return "//";
    case Operator::kModulo:
      return "%";
    case Operator::kPower:
      return "** or pow()";
    default:
      return "?";
  }
}

[[noreturn]] void unsupported(Operator op, const Value& a, const Value& b) {
  if (op == Operator::kAdd && (a.is(Kind::kString) || a.is(Kind::kSequence))) {
    throw Failure(
        fmt::format("can only concatenate {0} (not \"{1}\") to {0}", a.type_name(), b.type_name()));
  }
  throw Failure(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol(op),
                            a.type_name(), b.type_name()));
}

void defined(const Value& v) {
  if (v.is(Kind::kUndefined)) throw Failure(v.why());
}

int64_t power(int64_t base, int64_t exponent, bool& overflow) {
  int64_t result = 1;
  while (exponent > 0 && !overflow) {
    if (exponent & 1) overflow |= __builtin_mul_overflow(result, base, &result);
    exponent >>= 1;
    if (exponent > 0) overflow |= __builtin_mul_overflow(base, base, &base);
  }
  return result;
}

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)) ? 1 : 0);
}

// Both integers; the result is one unless the operator makes floats.
Value integers(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::kPower:
      if (b < 0 && a == 0) throw Failure("0.0 cannot be raised to a negative power");
      if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
      result = power(a, b, overflow);
      break;
    case Operator::kFloorDivide:
    case Operator::kModulo:
      if (b == 0) throw Failure("integer division or modulo by zero");
      overflow = b == -1 && a == std::numeric_limits<int64_t>::min();
      if (overflow) break;
      result = op == Operator::kFloorDivide ? floor_divide(a, b) : a - floor_divide(a, b) * b;
      break;
    default:
      break;
  }
  if (overflow)
    throw Failure(fmt::format("{} {} {} leaves the range of 64-bit integers", a, symbol(op), b));
  return result;
}

double reals(Operator op, double a, double b) {
  switch (op) {
    case Operator::kAdd:
      return a + b;
    case Operator::kSubtract:
      return a - b;
    case Operator::kMultiply:
      return a * b;
    case Operator::kPower:
      return std::pow(a, b);
    case Operator::kDivide:
      if (b == 0) throw Failure("division by zero");
      return a / b;
    case Operator::kFloorDivide:
      if (b == 0) throw Failure("float floor division by zero");
      return std::floor(a / b);
    default: {
      if (b == 0) throw Failure("float modulo by zero");
      const double rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
}

Value repeated(Budget& budget, const Value& v, int64_t count) {
  const auto n = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  const auto fits = [&](uint64_t size) {
    uint64_t bytes;
    budget.fits(__builtin_mul_overflow(size, n, &bytes) ? UINT64_MAX : bytes);
    budget.work(bytes);
  };
  if (v.is(Kind::kString)) {
    const std::string& text = v.text();
    fits(text.size());
    std::string result;
    result.reserve(text.size() * n);
    for (uint64_t i = 0; i < n && !text.empty(); ++i) result += text;
    return budget.string(std::move(result));
  }
  const Values& items = v.sequence().items;
  fits(items.size() * sizeof(Value));
  Values result;
  for (uint64_t i = 0; i < n && !items.empty(); ++i)
    result.insert(result.end(), items.begin(), items.end());
  return budget.list(std::move(result), v.sequence().kind);
}

bool repeatable(const Value& v) {
  return v.is(Kind::kString) || (v.is(Kind::kSequence) && v.sequence().kind != SequenceKind::kLazy);
}

}  // namespace

Value arithmetic(Budget& budget, Operator op, const Value& a, const Value& b) {
  defined(a);
  defined(b);
  if (a.is_integer() && b.is_integer() && op != Operator::kDivide)
    return integers(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return reals(op, a.real(), b.real());
  if (op == Operator::kAdd && a.is(Kind::kString) && b.is(Kind::kString)) {
    budget.fits(a.text().size() + b.text().size());
    return budget.string(a.text() + b.text());
  }
  if (op == Operator::kAdd && a.is(Kind::kSequence) && b.is(Kind::kSequence) &&
      a.sequence().kind == b.sequence().kind && a.sequence().kind != SequenceKind::kLazy) {
    budget.fits((a.sequence().items.size() + b.sequence().items.size()) * sizeof(Value));
    Values items = a.sequence().items;
    items.insert(items.end(), b.sequence().items.begin(), b.sequence().items.end());
    return budget.list(std::move(items), a.sequence().kind);
  }
  if (op == Operator::kMultiply && repeatable(a) && b.is_integer())
    return repeated(budget, a, b.integer());
  if (op == Operator::kMultiply && repeatable(b) && a.is_integer())
    return repeated(budget, b, a.integer());
  if (op == Operator::kModulo && a.is(Kind::kString)) {
    const bool tuple = b.is(Kind::kSequence) && b.sequence().kind == SequenceKind::kTuple;
    return budget.string(format_percent(budget, a.text(), tuple ? b.sequence().items : Values{b}));
  }
  unsupported(op, a, b);
}

Value negated(const Value& v) {
  defined(v);
  if (!v.is_number())
    throw Failure(fmt::format("bad operand type for unary -: '{}'", v.type_name()));
  if (v.is(Kind::kFloat)) return -v.real();
  return integers(Operator::kSubtract, 0, v.integer());
}

bool contains(Budget& budget, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!item.is(Kind::kString)) {
        throw Failure(
            fmt::format("'in <string>' requires string as left operand, not {}", item.type_name()));
      }
      budget.work(container.text().size());
      return container.text().find(item.text()) != std::string::npos;
    case Kind::kSequence: {
      const Values& items = container.sequence().items;
      return std::any_of(items.begin(), items.end(),
                         [&](const Value& v) { return equal(budget, v, item); });
    }
    case Kind::kMapping:
      budget.step(container.mapping().items.size() / 16);
      return container.mapping().find(item) != nullptr;
    default:
      throw Failure(fmt::format("argument of type '{}' is not iterable", container.type_name()));
  }
}

bool comparison(Budget& budget, Operator op, const Value& a, const Value& b) {
  switch (op) {
    case Operator::kEqual:
      return equal(budget, a, b);
    case Operator::kNotEqual:
      return !equal(budget, a, b);
    case Operator::kIn:
      return contains(budget, b, a);
    case Operator::kNotIn:
      return !contains(budget, b, a);
    default:
      break;
  }
  const int order = compare(budget, a, b);
  if (a.is_number() && b.is_number() && std::isunordered(a.real(), b.real())) return false;
  switch (op) {
    case Operator::kLess:
      return order < 0;
    case Operator::kLessEqual:
      return order <= 0;
    case Operator::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

namespace {

int64_t slice_bound(const Value* v, int64_t size, int64_t absent, int64_t low, int64_t high) {
  if (!v || v->is(Kind::kNone)) return absent;
  defined(*v);
  if (!v->is_integer())
    throw Failure(fmt::format("slice indices must be integers or None, not {}", v->type_name()));
  const int64_t index = v->integer() < 0 ? v->integer() + size : v->integer();
  return std::clamp(index, low, high);
}

}  // namespace

Value slice(Budget& budget, const Value& v, const Value* begin, const Value* end,
            const Value* step) {
  defined(v);
  const bool text = v.is(Kind::kString);
  if (!text && (!v.is(Kind::kSequence) || v.sequence().kind == SequenceKind::kLazy)) {
    return Value::undefined(fmt::format("'{}' object has no slices", v.type_name()));
  }
  const std::vector<std::string_view> chars =
      text ? characters(budget, v.text()) : std::vector<std::string_view>{};
  const auto size = static_cast<int64_t>(text ? chars.size() : v.sequence().items.size());
  budget.work(static_cast<uint64_t>(size) * sizeof(Value));
  const int64_t stride = slice_bound(step, 0, 1, std::numeric_limits<int32_t>::min(),
                                     std::numeric_limits<int32_t>::max());
  if (stride == 0) throw Failure("slice step cannot be zero");
  const bool forward = stride > 0;
  const int64_t low = forward ? 0 : -1, high = forward ? size : size - 1;
  int64_t i = slice_bound(begin, size, forward ? 0 : size - 1, low, high);
  const int64_t stop = slice_bound(end, size, forward ? size : -1, low, high);
  std::string part;
  Values items;
  for (; forward ? i < stop : i > stop; i += stride) {
    if (text) {
      part += chars[static_cast<size_t>(i)];
    } else {
      items.push_back(v.sequence().items[static_cast<size_t>(i)]);
    }
  }
  return text ? budget.string(std::move(part)) : budget.list(std::move(items), v.sequence().kind);
}

Values iterate(Budget& budget, const Value& v) {
  Values result;
  switch (v.kind()) {
    case Kind::kUndefined:
      return {};
    case Kind::kSequence:
      budget.work(v.sequence().items.size() * sizeof(Value));
      return v.sequence().items;
    case Kind::kMapping:
      for (const auto& item : v.mapping().items) result.push_back(item.first);
      return result;
    case Kind::kString:
      for (const std::string_view c : characters(budget, v.text()))
        result.push_back(budget.string(std::string(c)));
      return result;
    default:
      throw Failure(fmt::format("'{}' object is not iterable", v.type_name()));
  }
}

int64_t length(const Value& v) {
  if (v.is(Kind::kUndefined)) return 0;
  if (v.is(Kind::kString)) return count_characters(v.text());
  if (v.is(Kind::kMapping)) return static_cast<int64_t>(v.mapping().items.size());
  if (v.is(Kind::kSequence) && v.sequence().kind != SequenceKind::kLazy) {
    return static_cast<int64_t>(v.sequence().items.size());
  }
  throw Failure(fmt::format("object of type '{}' has no len()", v.type_name()));
}

Value attribute(Budget& budget, const Value& v, std::string_view name) {
  defined(v);
  if (const Builtin* method = find_method(v.kind(), name)) return budget.function(v, method);
  if (v.is(Kind::kMapping)) {
    budget.step(v.mapping().items.size() / 16);
    if (const Value* found = v.mapping().find(name)) return *found;
    return Value::undefined(fmt::format("'dict object' has no attribute '{}'", name));
  }
  if (v.is(Kind::kObject)) return v.object().attribute(name);
  return Value::undefined(fmt::format("'{} object' has no attribute '{}'", v.type_name(), name));
}

Value subscript(Budget& budget, const Value& v, const Value& key) {
  defined(v);
  if (v.is(Kind::kMapping)) {
    budget.step(v.mapping().items.size() / 16);
    if (const Value* found = v.mapping().find(key)) return *found;
  } else if (key.is_integer() && (v.is(Kind::kString) || v.is(Kind::kSequence))) {
    const bool text = v.is(Kind::kString);
    if (text) budget.work(v.text().size());
    const bool lazy = !text && v.sequence().kind == SequenceKind::kLazy;
    const int64_t size = lazy ? 0 : length(v),
                  index = key.integer() < 0 ? key.integer() + size : key.integer();
    if (index < 0 || index >= size) {
      return Value::undefined(
          fmt::format("'{} object' has no element {}", v.type_name(), key.integer()));
    }
    if (!text) return v.sequence().items[static_cast<size_t>(index)];
    const size_t begin = byte_offset(v.text(), index);
    return budget.string(v.text().substr(begin, character_at(v.text(), begin).size));
  }
  if (key.is(Kind::kString)) return attribute(budget, v, key.text());
  return Value::undefined(
      fmt::format("'{} object' has no element {}", v.type_name(), to_text(budget, key)));
}

}  // namespace r1::jinja
