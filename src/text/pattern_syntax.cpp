// Oniguruma -> PCRE2 by a small recursive descent over the constructs tokenizers use:
//   alternatives, groups (?:) () (?i:), look-around (?=) (?!) (?<!), classes, \p{} \s \d \r \n \t
//   \x{}, ? * + {n,m}.
// Literals leave as \x{hex}, so nothing in them can mean something else. \s becomes Unicode's
// White_Space: PCRE2's own also takes U+180E.
#include "text/pattern.h"
#include "text/unicode.h"

namespace r1 {
namespace {

constexpr size_t kMaxPattern = 16 << 10;  // bytes
constexpr int kMaxDepth = 16;
constexpr size_t kMaxRepeatDigits = 3;
constexpr std::string_view kSpaces = "\\x{9}-\\x{D}\\x{85}\\p{Z}";

class Rewriter {
 public:
  explicit Rewriter(std::string_view regex) : text_(regex) {}

  Result<std::string> run() {
    if (text_.size() > kMaxPattern) {
      return error("a pattern of {} bytes: at most {} are read", text_.size(), kMaxPattern);
    }
    if (!is_utf8(text_)) return refuse("bytes that are not UTF-8");
    R1_DO(alternatives(0));
    if (at_ < text_.size()) return refuse("a ) without its (");
    return std::move(out_);
  }

 private:
  bool more() const { return at_ < text_.size(); }
  bool starts(std::string_view what) const {
    return text_.substr(at_).substr(0, what.size()) == what;
  }
  bool take(std::string_view what) {
    if (!starts(what)) return false;
    at_ += what.size();
    return true;
  }
  Error refuse(std::string_view what) const {
    return error("pattern \"{}\": {} at byte {} is not supported", text_, what, at_);
  }
  uint32_t take_char() {
    const Utf8Char c = decode_char(text_, at_);
    at_ += c.length;
    return c.code;
  }
  void put_literal(uint32_t code) { out_ += fmt::format("\\x{{{:X}}}", code); }

  Result<void> alternatives(int depth) {
    if (depth > kMaxDepth) return refuse("nesting this deep");
    while (more() && !starts(")")) {
      if (take("|")) {
        out_ += '|';
        continue;
      }
      const bool group = starts("(");
      R1_DO(atom(depth));
      R1_DO(quantifier(group));
    }
    return {};
  }

  Result<void> atom(int depth) {
    if (starts("[")) return char_class();
    if (starts("(")) return group(depth);
    if (starts("\\")) return escape(false);
    if (starts("?") || starts("*") || starts("+")) return refuse("a quantifier without its atom");
    for (const char* sign : {".", "^", "$"}) {
      if (!take(sign)) continue;
      out_ += sign;
      return {};
    }
    put_literal(take_char());
    return {};
  }

  Result<void> group(int depth) {
    if (take("(?:")) {
      out_ += "(?:";
    } else if (take("(?i:")) {
      out_ += "(?i:";
    } else if (take("(?=")) {
      out_ += "(?=";
    } else if (take("(?!")) {
      out_ += "(?!";
    } else if (take("(?<!")) {
      out_ += "(?<!";
    } else if (starts("(?")) {
      return refuse("this kind of group");
    } else {
      take("(");
      out_ += "(?:";
    }
    R1_DO(alternatives(depth + 1));
    if (!take(")")) return refuse("a ( without its )");
    out_ += ')';
    return {};
  }

  Result<void> quantifier(bool of_group) {
    if (!starts("?") && !starts("*") && !starts("+") && !starts("{")) return {};
    if (of_group && !starts("?")) return refuse("a repeated group");
    if (starts("{")) {
      R1_DO(repeat());
    } else {
      out_ += text_[at_++];
      if (starts("?") || starts("+")) out_ += text_[at_++];  // lazy, possessive
    }
    if (starts("?") || starts("*") || starts("+") || starts("{")) {
      return refuse("a quantifier on a quantifier");
    }
    return {};
  }

  Result<void> repeat() {
    const size_t close = text_.find('}', at_);
    if (close == std::string_view::npos) return refuse("a { without its }");
    const std::string_view body = text_.substr(at_ + 1, close - at_ - 1);
    const auto number = [](std::string_view digits) {
      return !digits.empty() && digits.size() <= kMaxRepeatDigits &&
             digits.find_first_not_of("0123456789") == std::string_view::npos;
    };
    const size_t comma = body.find(',');
    const bool fits = comma == std::string_view::npos
                          ? number(body)
                          : number(body.substr(0, comma)) &&
                                (comma + 1 == body.size() || number(body.substr(comma + 1)));
    if (!fits) return refuse("this repeat");
    out_ += text_.substr(at_, close + 1 - at_);
    at_ = close + 1;
    return {};
  }

  Result<void> char_class() {
    take("[");
    out_ += take("^") ? "[^" : "[";
    bool empty = true;
    while (true) {
      if (!more()) return refuse("a [ without its ]");
      if (take("]")) break;
      if (starts("[")) return refuse("a class inside a class");
      if (starts("&&")) return refuse("an intersection of classes");
      if (starts("\\")) {
        R1_DO(escape(true));
      } else if (starts("-") && !empty && !starts("-]")) {
        out_ += text_[at_++];
      } else {
        put_literal(take_char());
      }
      empty = false;
    }
    if (empty) return refuse("an empty class");
    out_ += ']';
    return {};
  }

  Result<void> escape(bool in_class) {
    if (starts("\\p{") || starts("\\P{")) return property();
    if (starts("\\x{")) return code_point();
    if (take("\\s")) {
      out_ += in_class ? std::string(kSpaces) : fmt::format("[{}]", kSpaces);
      return {};
    }
    if (starts("\\S") && !in_class) {
      take("\\S");
      out_ += fmt::format("[^{}]", kSpaces);
      return {};
    }
    if (take("\\d")) {
      out_ += "\\p{Nd}";
      return {};
    }
    constexpr std::string_view kNames = "rntfe", kCodes = "\r\n\t\f\x1B";
    const size_t letter =
        at_ + 1 < text_.size() ? kNames.find(text_[at_ + 1]) : std::string_view::npos;
    if (letter != std::string_view::npos) {
      at_ += 2;
      put_literal(static_cast<unsigned char>(kCodes[letter]));
      return {};
    }
    // Before punctuation a backslash makes a literal; before anything else it would mean something.
    const auto follows = static_cast<unsigned char>(at_ + 1 < text_.size() ? text_[at_ + 1] : 0);
    const bool alnum = (follows | 32) >= 'a' && (follows | 32) <= 'z';
    if (follows <= ' ' || follows >= 0x7F || alnum || (follows >= '0' && follows <= '9')) {
      return refuse("this escape");
    }
    at_ += 2;
    put_literal(follows);
    return {};
  }

  Result<void> property() {
    const size_t close = text_.find('}', at_);
    if (close == std::string_view::npos) return refuse("a property without its }");
    const std::string_view name = text_.substr(at_, close + 1 - at_);
    for (const char c : name.substr(3, name.size() - 4)) {
      const bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
      if (!letter && c != '_' && c != '^') return refuse("this property");
    }
    out_ += name;  // PCRE2 refuses what it does not know
    at_ = close + 1;
    return {};
  }

  Result<void> code_point() {
    const size_t close = text_.find('}', at_);
    const std::string_view hex =
        close == std::string_view::npos ? "" : text_.substr(at_ + 3, close - at_ - 3);
    const bool digits = !hex.empty() && hex.size() <= 6 &&
                        hex.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (!digits) return refuse("this code point");
    out_ += text_.substr(at_, close + 1 - at_);
    at_ = close + 1;
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

Result<std::string> to_pcre(std::string_view regex) {
  // DeepSeek-LLM's cut, tried from every space of a run that does not end the text, takes quadratic
  // time; a match can only begin where the run does.
  if (regex == R"(\s+$)") regex = R"((?<!\s)\s+$)";
  return Rewriter(regex).run();
}

}  // namespace r1
