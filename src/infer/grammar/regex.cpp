#include "infer/grammar/regex.h"

#include <algorithm>
#include <optional>

namespace r1 {
namespace {

using Sequence = GrammarBuilder::Sequence;

constexpr int kDeepest = 100;

const CharSet kDigit{{'0', '9'}};
const CharSet kWord{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CharSet kSpace{{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                     {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                     {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CharSet kNewline{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
const CharSet kAll{{0, CharSet::kLast}};

class Parser {
 public:
  Parser(GrammarBuilder& builder, std::string_view pattern, bool anywhere, const Spell& spell)
      : builder_(builder), rest_(pattern), anywhere_(anywhere), spell_(spell) {}

  Result<Sequence> parse() {
    R1_TRY(Sequence all, alternatives(0));
    if (!rest_.empty()) return error("there is a ) that closes nothing");
    return all;
  }

 private:
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  Result<Sequence> alternatives(int depth) {
    if (depth > kDeepest) return error("it is nested deeper than {}", kDeepest);
    std::vector<Sequence> all;
    do {
      const bool from_start = depth == 0 && take("^");
      R1_TRY(Sequence one, sequence(depth));
      const bool to_end = depth == 0 && take("$");
      if (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')')
        return error("{} is understood only at the beginning or the end", rest_[0]);
      if (depth == 0 && anywhere_) {
        const Sequence any = builder_.repeat(spell_(kAll), 0, -1);
        if (!from_start) one.insert(one.begin(), any.begin(), any.end());
        if (!to_end) one.insert(one.end(), any.begin(), any.end());
      }
      all.push_back(std::move(one));
    } while (take("|"));
    return builder_.any_of(std::move(all));
  }

  Result<Sequence> sequence(int depth) {
    Sequence all;
    while (!rest_.empty() && std::string_view("|)^$").find(rest_[0]) == std::string_view::npos) {
      R1_TRY(Sequence one, atom(depth));
      R1_TRY(one, quantified(std::move(one)));
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  Result<Sequence> atom(int depth) {
    if (take("(")) {
      if (take("?")) {
        if (take("<") && !rest_.starts_with('=') && !rest_.starts_with('!')) {
          const size_t end = rest_.find('>');  // a name
          if (end == rest_.npos) return error("the name of a group has no >");
          rest_.remove_prefix(end + 1);
        } else if (!take(":")) {
          return error("groups that look around are not understood");
        }
      }
      R1_TRY(Sequence inner, alternatives(depth + 1));
      if (!take(")")) return error("there is a ( that nothing closes");
      return inner;
    }
    if (take("[")) {
      R1_TRY(const CharSet set, read_class(rest_));
      return spell_(set);
    }
    if (take(".")) return spell_(kNewline.complement());
    if (take("\\")) {
      R1_TRY(const CharSet set, read_escape(rest_));
      return spell_(set);
    }
    if (std::string_view("*+?{").find(rest_[0]) != std::string_view::npos)
      return error("{} has nothing to repeat", rest_[0]);
    const char32_t c = take_char(rest_);
    return spell_({{c, c}});
  }

  Result<Sequence> quantified(Sequence one) {
    int least = 1, most = 1;
    if (take("*")) {
      least = 0, most = -1;
    } else if (take("+")) {
      most = -1;
    } else if (take("?")) {
      least = 0;
    } else if (take("{")) {
      const auto number = [&]() -> std::optional<int> {
        if (rest_.empty() || rest_[0] < '0' || rest_[0] > '9') return std::nullopt;
        int n = 0;
        while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
          n = std::min(n * 10 + (rest_[0] - '0'), GrammarBuilder::kMostRepeats + 1);
          rest_.remove_prefix(1);
        }
        return n;
      };
      const auto from = number();
      if (!from) return error("after {{ a count is wanted");
      least = most = *from;
      if (take(",")) most = number().value_or(-1);
      if (!take("}")) return error("there is a {{ that nothing closes");
      if (least > GrammarBuilder::kMostRepeats || most > GrammarBuilder::kMostRepeats)
        return error("at most {} repetitions are taken", GrammarBuilder::kMostRepeats);
      if (most >= 0 && most < least) return error("{{{},{}}} can never be", least, most);
    } else {
      return one;
    }
    take("?");  // lazily: the same texts
    return builder_.repeat(one, least, most);
  }

  GrammarBuilder& builder_;
  std::string_view rest_;
  bool anywhere_;
  const Spell& spell_;
};

std::optional<char32_t> hex(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  char32_t c = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char d = text[i];
    const int value = d >= '0' && d <= '9'   ? d - '0'
                      : d >= 'a' && d <= 'f' ? d - 'a' + 10
                      : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                             : -1;
    if (value < 0) return std::nullopt;
    c = c << 4 | static_cast<char32_t>(value);
  }
  text.remove_prefix(digits);
  return c;
}

}  // namespace

Result<CharSet> read_escape(std::string_view& text) {
  if (text.empty()) return error("it ends in a backslash");
  const char32_t c = take_char(text);
  const auto one = [](char32_t x) { return CharSet{{x, x}}; };
  switch (c) {
    case 'd':
      return kDigit;
    case 'D':
      return kDigit.complement();
    case 'w':
      return kWord;
    case 'W':
      return kWord.complement();
    case 's':
      return kSpace;
    case 'S':
      return kSpace.complement();
    case 'n':
      return one('\n');
    case 'r':
      return one('\r');
    case 't':
      return one('\t');
    case 'f':
      return one('\f');
    case 'v':
      return one('\v');
    case '0':
      return one(0);
    case 'x':
    case 'u':
    case 'U': {
      const bool braced = c == 'u' && text.starts_with('{');
      const size_t end = braced ? text.find('}') : 0;
      if (braced && (end == text.npos || end < 2 || end > 7)) return error("\\u{{...}} is wrong");
      if (braced) text.remove_prefix(1);
      const auto value = hex(text, braced ? end - 1 : c == 'x' ? 2 : c == 'u' ? 4 : 8);
      if (braced && text.starts_with('}')) text.remove_prefix(1);
      if (!value || *value > CharSet::kLast)
        return error("after \\{} a code of digits is wanted", static_cast<char>(c));
      return one(*value);
    }
    default:
      break;
  }
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9');
  if (letter) return error("\\{} is not understood", static_cast<char>(c));
  return one(c);
}

Result<CharSet> read_class(std::string_view& text) {
  std::vector<CharSet::Range> ranges;
  const bool negated = text.starts_with('^');
  if (negated) text.remove_prefix(1);
  const auto next = [&]() -> Result<CharSet> {
    if (text.starts_with('\\')) {
      text.remove_prefix(1);
      if (text.starts_with('b')) {  // here it is backspace
        text.remove_prefix(1);
        return CharSet{{'\b', '\b'}};
      }
      return read_escape(text);
    }
    const char32_t c = take_char(text);
    return CharSet{{c, c}};
  };
  const auto single = [](const CharSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].second;
  };
  while (!text.starts_with(']')) {
    if (text.empty()) return error("there is a [ that nothing closes");
    R1_TRY(const CharSet low, next());
    if (text.size() > 1 && text[0] == '-' && text[1] != ']' && single(low)) {
      text.remove_prefix(1);
      R1_TRY(const CharSet high, next());
      const char32_t from = low.ranges()[0].first;
      if (!single(high) || high.ranges()[0].first < from)
        return error("a range in [...] ends before it begins");
      ranges.emplace_back(from, high.ranges()[0].first);
      continue;
    }
    ranges.insert(ranges.end(), low.ranges().begin(), low.ranges().end());
  }
  text.remove_prefix(1);
  const CharSet set(std::move(ranges));
  return negated ? set.complement() : set;
}

Result<Sequence> regex_sequence(GrammarBuilder& builder, std::string_view pattern, bool anywhere,
                                const Spell& spell) {
  auto parsed = Parser(builder, pattern, anywhere, spell).parse();
  if (!parsed) return std::move(parsed).error().in("the regular expression");
  return parsed;
}

Result<GrammarPtr> regex_grammar(std::string_view pattern) {
  GrammarBuilder builder;
  const Spell plain = [&](const CharSet& set) { return builder.characters(set); };
  R1_TRY(const Sequence root, regex_sequence(builder, pattern, false, plain));
  return builder.build(root);
}

}  // namespace r1
