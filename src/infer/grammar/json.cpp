#include "infer/grammar/json.h"

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

namespace r1 {
namespace {

using Sequence = GrammarBuilder::Sequence;

constexpr int kDeepestIndentation = 20;
// What a double holds exactly; digits without end would be an answer without end.
constexpr int kMostDigits = 15;

const CharSet kPlain{{0x20, 0x21}, {0x23, 0x5B}, {0x5D, CharSet::kLast}};  // in a string

Sequence join(std::initializer_list<Sequence> parts) { return GrammarBuilder::join(parts); }
Sequence literal(std::string_view text) { return GrammarBuilder::literal(text); }

}  // namespace

JsonGrammar::JsonGrammar(GrammarBuilder& b) : builder_(b) {
  const Sequence digit = b.characters({{'0', '9'}});
  const Sequence indentation = join(
      {literal("\n"), b.repeat(b.characters({{'\t', '\t'}, {' ', ' '}}), 0, kDeepestIndentation)});
  space_ = b.any_of({{}, literal(" "), indentation});

  const Sequence hex = b.characters({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  const auto code = [&](const Sequence& first, const Sequence& second) {
    return join({literal("\\u"), first, second, hex, hex});
  };
  const Sequence d = b.characters({{'D', 'D'}, {'d', 'd'}});
  const Sequence escape = join({literal("\\"), b.characters({{'"', '"'},
                                                             {'/', '/'},
                                                             {'\\', '\\'},
                                                             {'b', 'b'},
                                                             {'f', 'f'},
                                                             {'n', 'n'},
                                                             {'r', 'r'},
                                                             {'t', 't'}})});
  const Sequence pair_of_codes =  // surrogates come in pairs
      join({code(d, b.characters({{'8', '9'}, {'A', 'B'}, {'a', 'b'}})),
            code(d, b.characters({{'C', 'F'}, {'c', 'f'}}))});
  const Sequence character = b.any_of(
      {b.characters(kPlain), escape,
       code(b.characters({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}), hex),
       code(d, b.characters({{'0', '7'}})), pair_of_codes});
  string_ = join({literal("\""), b.repeat(character, 0, -1), literal("\"")});

  integer_ =
      join({b.optional(literal("-")),
            b.any_of({literal("0"),
                      join({b.characters({{'1', '9'}}), b.repeat(digit, 0, kMostDigits - 1)})})});
  number_ = join({integer_, b.optional(join({literal("."), b.repeat(digit, 1, kMostDigits)})),
                  b.optional(join({b.characters({{'E', 'E'}, {'e', 'e'}}),
                                   b.optional(b.characters({{'+', '+'}, {'-', '-'}})),
                                   b.repeat(digit, 1, 2)}))});
  const int32_t value = b.declare("value");
  value_ = GrammarBuilder::reference(value);
  object_ = list('{', {}, pair(string_, value_), '}', 0, -1);
  array_ = list('[', {}, value_, ']', 0, -1);
  b.define(value,
           {object_, array_, string_, number_, literal("true"), literal("false"), literal("null")});
}

Sequence JsonGrammar::character(const CharSet& set) {
  std::vector<Sequence> ways;
  const CharSet plain = set.intersection(kPlain);
  if (!plain.ranges().empty()) ways.push_back(builder_.characters(plain));
  for (const auto& [c, letter] : {std::pair{U'"', '"'},
                                  {U'\\', '\\'},
                                  {U'\b', 'b'},
                                  {U'\f', 'f'},
                                  {U'\n', 'n'},
                                  {U'\r', 'r'},
                                  {U'\t', 't'}})
    if (set.contains(c)) ways.push_back(literal(std::string{'\\', letter}));
  for (char32_t c = 0; c < 0x20; ++c)
    if (set.contains(c)) ways.push_back(literal(fmt::format("\\u{:04x}", static_cast<int>(c))));
  return builder_.any_of(std::move(ways));
}

Sequence JsonGrammar::list(char open, const std::vector<Sequence>& first, const Sequence& part,
                           char close, int least, int most) {
  const Sequence comma = join({space_, literal(","), space_});
  // From the last to the first: what comes once i of them have been said.
  int n = static_cast<int>(first.size());
  if (most >= 0) n = std::min(n, most);
  const bool none = n == 0 && most != 0;  // then the first is a part too
  const int said = none ? 1 : n, left = most < 0 ? -1 : most - said;
  Sequence rest = space_;
  if (left != 0)
    rest = join({builder_.repeat(join({comma, part}), std::max(least - said, 0), left), space_});
  for (int i = said; i-- > 0;) {
    std::vector<Sequence> ways = {
        join({i > 0 ? comma : Sequence{}, none ? part : first[static_cast<size_t>(i)], rest})};
    if (i >= least) ways.push_back(i > 0 ? space_ : Sequence{});
    const int32_t rule = builder_.declare();
    builder_.define(rule, std::move(ways));
    rest = GrammarBuilder::reference(rule);
  }
  if (said == 0) rest.clear();
  return join({literal({&open, 1}), space_, rest, literal({&close, 1})});
}

Sequence JsonGrammar::pair(const Sequence& key, const Sequence& value) {
  return join({key, space_, literal(":"), space_, value});
}

Sequence JsonGrammar::numbers(int64_t low, int64_t high, int decimals, int64_t step) {
  std::vector<Sequence> ways;
  if (low < 0)
    ways.push_back(
        join({literal("-"), magnitudes(std::max<int64_t>(1, -high), -low, decimals, step)}));
  if (high >= 0) ways.push_back(magnitudes(std::max<int64_t>(0, low), high, decimals, step));
  return builder_.any_of(std::move(ways));
}

// Digit by digit: what the number must not fall below or rise above as long as it begins as the
// bound does, and what is left over of it modulo the step. Zeros after the point may be left out.
Sequence JsonGrammar::magnitudes(int64_t low, int64_t high, int decimals, int64_t step) {
  using Key = std::tuple<size_t, bool, bool, int64_t>;
  std::vector<Sequence> lengths;
  std::map<std::pair<size_t, int64_t>, int32_t> free;  // by digits left and remainder
  int64_t unit = 1;
  for (int i = 0; i < decimals; ++i) unit *= 10;
  for (int64_t first = 0, after = 10; first <= high / unit; first = after, after *= 10) {
    const int64_t a = std::max(low, first * unit), b = std::min(high, after * unit - 1);
    if (a > b) continue;
    const auto width = std::to_string(after - 1).size() + static_cast<size_t>(decimals);
    const std::string from = fmt::format("{:0{}}", a, width), to = fmt::format("{:0{}}", b, width);
    std::map<Key, int32_t> known;
    std::function<int32_t(size_t, bool, bool, int64_t)> state = [&](size_t at, bool at_low,
                                                                    bool at_high, int64_t rest) {
      const size_t left = width - at;
      auto [it, fresh] = at_low || at_high ? known.try_emplace(Key{at, at_low, at_high, rest}, 0)
                                           : known.try_emplace(Key{at, false, false, rest}, 0);
      if (!fresh) return it->second;
      if (!at_low && !at_high) {
        const auto shared = free.find({left, rest});
        if (shared != free.end()) return it->second = shared->second;
      }
      const int32_t rule = it->second = builder_.declare();
      if (!at_low && !at_high) free[{left, rest}] = rule;
      std::vector<Sequence> ways;
      if (left <= static_cast<size_t>(decimals)) {
        int64_t whole = rest;
        for (size_t i = 0; i < left; ++i) whole = whole * 10 % step;
        const bool enough = !at_low || from.find_first_not_of('0', at) == from.npos;
        if (enough && whole == 0) ways.emplace_back();
      }
      const char least = left == 0 ? '1' : at_low ? from[at] : '0';
      const char most = left == 0 ? '0' : at_high ? to[at] : '9';
      for (char d = least; d <= most; ++d) {
        const bool low_next = at_low && d == from[at], high_next = at_high && d == to[at];
        char last = d;  // digits that lead to one place
        if (step == 1 && !low_next && !high_next)
          last = at_high ? static_cast<char>(most - 1) : most;
        last = std::max(last, d);
        const int32_t to_rule = state(at + 1, low_next, high_next, (rest * 10 + (d - '0')) % step);
        const bool point = decimals > 0 && left == static_cast<size_t>(decimals);
        ways.push_back(join({point ? literal(".") : Sequence{},
                             {{.rule = Grammar::kByte,
                               .low = static_cast<uint8_t>(d),
                               .high = static_cast<uint8_t>(last)}},
                             GrammarBuilder::reference(to_rule)}));
        d = last;
      }
      builder_.define(rule, std::move(ways));
      return rule;
    };
    lengths.push_back(GrammarBuilder::reference(state(0, true, true, 0)));
  }
  return builder_.any_of(std::move(lengths));
}

}  // namespace r1
