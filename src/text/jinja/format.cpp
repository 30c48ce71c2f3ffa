// format % values, by Python's documentation of printf-style formatting.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

struct Specification {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  int64_t width = 0, precision = -1;
};

constexpr int64_t kMaxWidth = 1000;

std::string real(double v, char letter, const Specification& s) {
  if (!std::isfinite(v)) return std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
  const int digits = s.precision < 0 ? 6 : static_cast<int>(s.precision);
  switch (letter) {
    case 'e':
      return fmt::format("{:.{}e}", v, digits);
    case 'g':
      return fmt::format("{:.{}g}", v, digits);
    default:
      return fmt::format("{:.{}f}", v, digits);
  }
}

std::string integral(int64_t v, char letter, const Specification& s) {
  const uint64_t size = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  std::string digits;
  switch (letter) {
    case 'x':
      digits = (s.alternate ? "0x" : "") + fmt::format("{:x}", size);
      break;
    case 'X':
      digits = (s.alternate ? "0X" : "") + fmt::format("{:X}", size);
      break;
    case 'o':
      digits = (s.alternate ? "0o" : "") + fmt::format("{:o}", size);
      break;
    default:
      digits = fmt::to_string(size);
  }
  return (v < 0 ? "-" : "") + digits;
}

std::string number(const Value& v, char letter, const Specification& s) {
  if (!v.is_number())
    throw Failure(
        fmt::format("%{} format: a real number is required, not {}", letter, v.type_name()));
  std::string text;
  if (std::string_view("efg").find(letter) != std::string_view::npos) {
    text = real(v.real(), letter, s);
  } else {
    if (v.is(Kind::kFloat) && !(std::fabs(v.real()) < 9.2e18))
      throw Failure("cannot convert the float to an integer");
    text = integral(v.is(Kind::kFloat) ? static_cast<int64_t>(v.real()) : v.integer(), letter, s);
  }
  if (!text.starts_with('-') && (s.plus || s.space)) text.insert(0, s.plus ? "+" : " ");
  const auto missing = s.width - static_cast<int64_t>(text.size());
  if (s.zero && !s.left && missing > 0) {
    const size_t sign = text.find_first_of("+- ") == 0 ? 1 : 0;
    text.insert(sign, static_cast<size_t>(missing), '0');
  }
  return text;
}

}  // namespace

std::string format_percent(Budget& budget, const std::string& format, const Values& values) {
  Output out(budget);
  size_t next = 0, i = 0;
  const auto letter = [&] {
    if (i == format.size()) throw Failure("incomplete format");
    return format[i];
  };
  const auto size = [&] {
    int64_t n = 0;
    for (; letter() >= '0' && letter() <= '9'; ++i)
      n = std::min(n * 10 + (letter() - '0'), kMaxWidth + 1);
    if (n > kMaxWidth)
      throw Failure(fmt::format("a format's width and precision are at most {}", kMaxWidth));
    return n;
  };
  while (i < format.size()) {
    const size_t percent = std::min(format.find('%', i), format.size());
    out.append(std::string_view(format).substr(i, percent - i));
    i = percent + 1;
    if (percent == format.size()) break;
    if (letter() == '%') {
      out.append("%");
      ++i;
      continue;
    }
    Specification s;
    for (;; ++i) {
      if (letter() == '-')
        s.left = true;
      else if (letter() == '+')
        s.plus = true;
      else if (letter() == ' ')
        s.space = true;
      else if (letter() == '0')
        s.zero = true;
      else if (letter() == '#')
        s.alternate = true;
      else
        break;
    }
    s.width = size();
    if (letter() == '.') {
      ++i;
      s.precision = size();
    }
    if (std::string_view("srdiuxXoefgc").find(letter()) == std::string_view::npos) {
      throw Failure(fmt::format("unsupported format character '{}'", letter()));
    }
    if (next == values.size()) throw Failure("not enough arguments for format string");
    const Value& v = values[next++];
    std::string text;
    if (letter() == 's' || letter() == 'r' || letter() == 'c') {
      Output part(budget);
      letter() == 'r' ? write_repr(part, v) : write_text(part, v);
      text = part.take();
      if (s.precision >= 0) text.resize(byte_offset(text, s.precision));
    } else {
      text = number(v, letter(), s);
    }
    ++i;
    const auto pad = static_cast<uint64_t>(std::max<int64_t>(s.width - count_characters(text), 0));
    if (!s.left) out.append(pad, ' ');
    out.append(text);
    if (s.left) out.append(pad, ' ');
  }
  if (next < values.size() && !(values.size() == 1 && values[0].is(Kind::kMapping))) {
    throw Failure("not all arguments converted during string formatting");
  }
  return out.take();
}

}  // namespace r1::jinja
