// Filters on text and numbers, by Jinja2's documentation
// (https://jinja.palletsprojects.com/templates/#builtin-filters). Autoescaping is off in chat
// templates, so `safe` changes nothing and `escape` gives plain text.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

void defined(const Value& v) {
  if (v.is(Kind::kUndefined)) throw Failure(v.why());
}

Value string(const Call& c) {
  return c.self.is(Kind::kString) ? c.self : c.budget.string(c.self_text());
}
Value upper(const Call& c) { return c.budget.string(change_case(c.self_text(), Case::kUpper)); }
Value lower(const Call& c) { return c.budget.string(change_case(c.self_text(), Case::kLower)); }
Value capitalize(const Call& c) {
  return c.budget.string(change_case(c.self_text(), Case::kCapital));
}

// A word begins after white space or one of -({[<.
Value title(const Call& c) {
  std::string result;
  bool inside = false;
  const std::string text = c.self_text();
  for (const std::string_view character : characters(c.budget, text)) {
    result += change_case(character, inside ? Case::kLower : Case::kUpper);
    inside = !is_space(character_at(character, 0).code) &&
             std::string_view("-({[<").find(character) == std::string::npos;
  }
  return c.budget.string(std::move(result));
}

Value trim(const Call& c) {
  const std::string text = c.self_text(), chars = c.text(0);
  const std::string_view set = chars;
  return c.budget.string(
      std::string(strip(text, true, true, c.has(0) && !c[0].is(Kind::kNone) ? &set : nullptr)));
}

Value replace(const Call& c) {
  return c.budget.string(
      replace_all(c.budget, c.self_text(), c.text(0), c.text(1), c.integer(2, -1)));
}

Value center(const Call& c) {
  return c.budget.string(centered(c.budget, c.self_text(), c.integer(0, 80), " "));
}

Value escape(const Call& c) {
  std::string result;
  for (const char character : c.self_text()) {
    switch (character) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&#34;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += character;
    }
  }
  return c.budget.string(std::move(result));
}

Value indent(const Call& c) {
  const bool first = c.flag(1), blank = c.flag(2);
  std::string margin;
  if (c.has(0) && c[0].is(Kind::kString)) {
    margin = c[0].text();
  } else {
    const auto width = static_cast<uint64_t>(std::max<int64_t>(c.integer(0, 4), 0));
    c.budget.fits(width);
    margin.assign(width, ' ');
  }
  const std::string text = c.self_text();
  Output out(c.budget);
  if (first) out.append(margin);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (begin > 0) out.append("\n");
    if (begin > 0 && (blank || end > begin)) out.append(margin);
    out.append(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
  }
  return c.budget.string(out.take());
}

Value truncate(const Call& c) {
  const std::string text = c.self_text(), end = c.text(2, "...");
  const int64_t limit = c.integer(0, 255), leeway = c.integer(3, 5), tail = count_characters(end);
  if (limit < tail)
    throw Failure(fmt::format("truncate() expects a length of at least {}, got {}", tail, limit));
  if (leeway < 0)
    throw Failure(fmt::format("truncate() expects a leeway of at least 0, got {}", leeway));
  const int64_t size = count_characters(text);
  if (size <= limit || size - limit <= leeway) return c.budget.string(text);
  std::string head = text.substr(0, byte_offset(text, limit - tail));
  if (!c.flag(1)) head = head.substr(0, head.rfind(' '));
  return c.budget.string(head + end);
}

Value wordcount(const Call& c) {
  int64_t words = 0;
  bool inside = false;
  const std::string text = c.self_text();
  for (const std::string_view character : characters(c.budget, text)) {
    const bool word = character == "_" || all_of_class(character, CharacterClass::kAlnum);
    words += word && !inside;
    inside = word;
  }
  return words;
}

std::string percent_encoded(const std::string& text, bool query) {
  std::string result;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) || std::string_view("_.-~").find(character) != std::string_view::npos ||
        (character == '/' && !query)) {
      result += character;
    } else if (character == ' ' && query) {
      result += '+';
    } else {
      result += fmt::format("%{:02X}", byte);
    }
  }
  return result;
}

Value urlencode(const Call& c) {
  if (!c.self.is(Kind::kMapping)) return c.budget.string(percent_encoded(c.self_text(), false));
  std::string result;
  for (const auto& [key, value] : c.self.mapping().items) {
    if (!result.empty()) result += '&';
    result += percent_encoded(to_text(c.budget, key), true) + '=' +
              percent_encoded(to_text(c.budget, value), true);
  }
  return c.budget.string(std::move(result));
}

Value format(const Call& c) {
  return c.budget.string(format_percent(c.budget, c.self_text(), c.arguments().positional));
}

// The number a whole text spells, as Python's float() reads it; white space around it and
// underscores between digits are allowed.
std::optional<double> parse_float(std::string_view spelled) {
  std::string digits(strip(spelled, true, true));
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const char* begin = digits.c_str() + (digits.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto end = std::from_chars(begin, digits.c_str() + digits.size(), value);
  if (end.ec == std::errc::invalid_argument || end.ptr != digits.c_str() + digits.size())
    return std::nullopt;
  return end.ec == std::errc::result_out_of_range ? std::strtod(begin, nullptr) : value;
}

std::optional<int64_t> parse_integer(std::string_view spelled, int base) {
  std::string digits(strip(spelled, true, true));
  digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
  const bool negative = digits.starts_with('-');
  size_t begin = negative || digits.starts_with('+') ? 1 : 0;
  const auto prefixed = [&](char letter) {
    return digits.size() > begin + 1 && digits[begin] == '0' &&
           (digits[begin + 1] | 0x20) == letter;
  };
  if ((base == 16 && prefixed('x')) || (base == 8 && prefixed('o')) || (base == 2 && prefixed('b')))
    begin += 2;
  const std::string number = (negative ? "-" : "") + digits.substr(begin);
  int64_t value = 0;
  const auto end = std::from_chars(number.data(), number.data() + number.size(), value, base);
  if (end.ec != std::errc{} || end.ptr != number.data() + number.size()) return std::nullopt;
  return value;
}

std::optional<int64_t> truncated(std::optional<double> v) {
  if (!v || !(std::fabs(*v) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(*v);
}

Value to_int(const Call& c) {
  defined(c.self);
  const Value otherwise = c.has(0) ? c[0] : Value(int64_t{0});
  if (c.self.is_integer()) return c.self.integer();
  std::optional<int64_t> value;
  if (c.self.is(Kind::kFloat)) value = truncated(c.self.real());
  if (c.self.is(Kind::kString)) {
    const int64_t base = c.integer(1, 10);
    if (base < 2 || base > 36)
      throw Failure(fmt::format("int() base must be >= 2 and <= 36, got {}", base));
    value = parse_integer(c.self.text(), static_cast<int>(base));
    if (!value) value = truncated(parse_float(c.self.text()));
  }
  return value ? Value(*value) : otherwise;
}

Value to_float(const Call& c) {
  defined(c.self);
  const Value otherwise = c.has(0) ? c[0] : Value(0.0);
  if (c.self.is_number()) return c.self.real();
  const auto value = c.self.is(Kind::kString) ? parse_float(c.self.text()) : std::nullopt;
  return value ? Value(*value) : otherwise;
}

Value absolute(const Call& c) {
  defined(c.self);
  if (!c.self.is_number())
    throw Failure(fmt::format("bad operand type for abs(): '{}'", c.self.type_name()));
  if (c.self.is(Kind::kFloat)) return std::fabs(c.self.real());
  return c.self.integer() < 0 ? negated(c.self) : Value(c.self.integer());
}

Value round(const Call& c) {
  defined(c.self);
  const std::string method = c.text(1, "common");
  const int64_t digits = c.integer(0, 0);
  if (method != "common" && method != "ceil" && method != "floor")
    throw Failure("method must be common, ceil or floor");
  if (!c.self.is_number())
    throw Failure(fmt::format("type {} doesn't define __round__ method", c.self.type_name()));
  if (digits < -300 || digits > 300)
    throw Failure(fmt::format("round() precision {} is not within -300..300", digits));
  const double scale = std::pow(10.0, static_cast<double>(digits)), v = c.self.real();
  if (method == "ceil") return std::ceil(v * scale) / scale;
  if (method == "floor") return std::floor(v * scale) / scale;
  if (c.self.is_integer() && digits >= 0) return c.self.integer();
  if (c.self.is_integer()) return static_cast<int64_t>(std::nearbyint(v * scale) / scale);
  if (digits < 0) return std::nearbyint(v * scale) / scale;
  return std::strtod(fmt::format("{:.{}f}", v, static_cast<int>(digits)).c_str(),
                     nullptr);  // exact, ties to even
}

Value fallback(const Call& c) {
  const bool absent = c.self.is(Kind::kUndefined) || (c.flag(1) && !c.self.truthy());
  if (!absent) return c.self;
  return c.has(0) ? c[0] : c.budget.string("");
}

Value unchanged(const Call& c) { return c.self; }

constexpr Builtin kTextFilters[] = {
    {"abs", absolute},
    {"capitalize", capitalize},
    {"center", center, "width"},
    {"d", fallback, "default_value boolean"},
    {"default", fallback, "default_value boolean"},
    {"e", escape},
    {"escape", escape},
    {"float", to_float, "default"},
    {"forceescape", escape},
    {"format", format, "* **"},
    {"indent", indent, "width first blank"},
    {"int", to_int, "default base"},
    {"lower", lower},
    {"replace", replace, "old! new! count"},
    {"round", round, "precision method"},
    {"safe", unchanged},
    {"string", string},
    {"title", title},
    {"tojson", to_json, "ensure_ascii indent separators sort_keys"},
    {"trim", trim, "chars"},
    {"truncate", truncate, "length killwords end leeway"},
    {"upper", upper},
    {"urlencode", urlencode},
    {"wordcount", wordcount},
};

}  // namespace

std::span<const Builtin> text_filters() { return kTextFilters; }

std::string replace_all(Budget& budget, const std::string& text, const std::string& from,
                        const std::string& to, int64_t count) {
  Output out(budget);
  size_t begin = 0;
  for (; count != 0; --count) {
    size_t at = text.find(from, begin);
    if (from.empty()) at = begin;  // an empty pattern matches before every character and at the end
    if (at == std::string::npos) break;
    out.append(std::string_view(text).substr(begin, at - begin));
    out.append(to);
    begin = at + from.size();
    if (!from.empty()) continue;
    if (begin == text.size()) return out.take();
    const size_t size = character_at(text, begin).size;
    out.append(std::string_view(text).substr(begin, size));
    begin += size;
  }
  out.append(std::string_view(text).substr(begin));
  return out.take();
}

std::string centered(Budget& budget, const std::string& text, int64_t width,
                     const std::string& fill) {
  if (fill.size() != 1) throw Failure("the fill character must be exactly one character long");
  const int64_t pad = std::max<int64_t>(width - count_characters(text), 0);
  const int64_t left = pad / 2 + (pad & width & 1);
  Output out(budget);
  out.append(static_cast<uint64_t>(left), fill[0]);
  out.append(text);
  out.append(static_cast<uint64_t>(pad - left), fill[0]);
  return out.take();
}

}  // namespace r1::jinja
