// str(), repr() and the order of values, as Python has them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/budget.h"
#include "text/jinja/builtins.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {

using Kind = Value::Kind;

std::string float_repr(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  if (v == 0) return std::signbit(v) ? "-0.0" : "0.0";
  char buffer[64];  // shortest digits that read back as v; Python writes an exponent outside [1e-4,
                    // 1e16)
  const double size = std::fabs(v);
  const auto form =
      size < 1e-4 || size >= 1e16 ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, form);
  std::string text(buffer, end.ptr);
  if (form == std::chars_format::fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

namespace {

void write_string_repr(Output& out, const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string repr(1, quote);
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    if (c.code == static_cast<char32_t>(quote) || c.code == '\\') {
      repr += '\\';
      repr += static_cast<char>(c.code);
    } else if (c.code == '\n') {
      repr += "\\n";
    } else if (c.code == '\r') {
      repr += "\\r";
    } else if (c.code == '\t') {
      repr += "\\t";
    } else if (is_printable(c.code)) {
      repr.append(text, i, c.size);
    } else if (c.code < 0x100) {
      repr += fmt::format("\\x{:02x}", static_cast<uint32_t>(c.code));
    } else if (c.code < 0x10000) {
      repr += fmt::format("\\u{:04x}", static_cast<uint32_t>(c.code));
    } else {
      repr += fmt::format("\\U{:08x}", static_cast<uint32_t>(c.code));
    }
    i += c.size;
  }
  repr += quote;
  out.append(repr);
}

void write_sequence(Output& out, const Sequence& sequence) {
  if (sequence.kind == SequenceKind::kLazy) return out.append("<generator object>");
  const bool tuple = sequence.kind == SequenceKind::kTuple;
  out.append(tuple ? "(" : "[");
  for (size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) out.append(", ");
    write_repr(out, sequence.items[i]);
  }
  if (tuple && sequence.items.size() == 1) out.append(",");
  out.append(tuple ? ")" : "]");
}

void write_mapping(Output& out, const Mapping& mapping) {
  out.append("{");
  for (size_t i = 0; i < mapping.items.size(); ++i) {
    if (i > 0) out.append(", ");
    write_repr(out, mapping.items[i].first);
    out.append(": ");
    write_repr(out, mapping.items[i].second);
  }
  out.append("}");
}

[[noreturn]] void not_ordered(const Value& a, const Value& b) {
  throw Failure(fmt::format("'<' not supported between instances of '{}' and '{}'", a.type_name(),
                            b.type_name()));
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

bool both_integers(const Value& a, const Value& b) { return a.is_integer() && b.is_integer(); }

}  // namespace

void write_repr(Output& out, const Value& v) {
  out.budget().step();
  switch (v.kind()) {
    case Kind::kUndefined:
      return out.append("Undefined");
    case Kind::kNone:
      return out.append("None");
    case Kind::kBool:
      return out.append(v.boolean() ? "True" : "False");
    case Kind::kInt:
      return out.append(fmt::to_string(v.integer()));
    case Kind::kFloat:
      return out.append(float_repr(v.real()));
    case Kind::kString:
      return write_string_repr(out, v.text());
    case Kind::kSequence:
      return write_sequence(out, v.sequence());
    case Kind::kMapping:
      return write_mapping(out, v.mapping());
    case Kind::kFunction:
      return out.append(fmt::format("<built-in method {}>", v.function().builtin->name));
    case Kind::kObject:
      return out.append(fmt::format("<{}>", v.type_name()));
  }
}

void write_text(Output& out, const Value& v) {
  if (v.is(Kind::kString)) {
    out.append(v.text());
  } else if (!v.is(Kind::kUndefined)) {
    write_repr(out, v);
  }
}

std::string to_text(Budget& budget, const Value& v) {
  Output out(budget);
  write_text(out, v);
  return out.take();
}

std::vector<std::string_view> characters(Budget& budget, std::string_view text) {
  budget.fits(text.size() * sizeof(std::string_view));
  budget.work(text.size() * sizeof(std::string_view));
  return characters(text);
}

bool equal(Budget& budget, const Value& a, const Value& b) {
  budget.step();
  if (a.is_number() && b.is_number()) {
    return both_integers(a, b) ? a.integer() == b.integer() : a.real() == b.real();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kSequence: {
      const Sequence &x = a.sequence(), &y = b.sequence();
      if (&x == &y) return true;
      if (x.kind != y.kind || x.items.size() != y.items.size() || x.kind == SequenceKind::kLazy)
        return false;
      for (size_t i = 0; i < x.items.size(); ++i) {
        if (!equal(budget, x.items[i], y.items[i])) return false;
      }
      return true;
    }
    case Kind::kMapping: {
      const Mapping &x = a.mapping(), &y = b.mapping();
      if (&x == &y) return true;
      if (x.items.size() != y.items.size()) return false;
      for (const auto& [key, value] : x.items) {
        budget.step(y.items.size() / 16);
        const Value* other = y.find(key);
        if (!other || !equal(budget, value, *other)) return false;
      }
      return true;
    }
    case Kind::kFunction:
      return &a.function() == &b.function();
    case Kind::kObject:
      return &a.object() == &b.object();
    default:
      return true;  // undefined, none
  }
}

int compare(Budget& budget, const Value& a, const Value& b) {
  budget.step();
  if (a.is(Kind::kUndefined)) throw Failure(a.why());
  if (b.is(Kind::kUndefined)) throw Failure(b.why());
  if (a.is_number() && b.is_number()) {
    return both_integers(a, b) ? order(a.integer(), b.integer()) : order(a.real(), b.real());
  }
  // UTF-8 sorts as its code points do.
  if (a.is(Kind::kString) && b.is(Kind::kString)) return order(a.text().compare(b.text()), 0);
  if (!a.is(Kind::kSequence) || !b.is(Kind::kSequence)) not_ordered(a, b);
  const Sequence &x = a.sequence(), &y = b.sequence();
  if (x.kind != y.kind || x.kind == SequenceKind::kLazy) not_ordered(a, b);
  for (size_t i = 0; i < std::min(x.items.size(), y.items.size()); ++i) {
    if (!equal(budget, x.items[i], y.items[i])) return compare(budget, x.items[i], y.items[i]);
  }
  return order(x.items.size(), y.items.size());
}

}  // namespace r1::jinja
