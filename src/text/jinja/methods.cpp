// Methods of strings, sequences and dictionaries, by Python's documentation. Those that would
// change a value are refused as in Jinja2's ImmutableSandboxedEnvironment.
#include <fmt/format.h>

#include <algorithm>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/unicode.h"

namespace r1::jinja {
namespace {

using Kind = Value::Kind;

bool given(const Call& c, size_t i) { return c.has(i) && !c[i].is(Kind::kNone); }

// An argument that Python wants to be a str.
const std::string& text_argument(const Call& c, size_t i) {
  if (!c[i].is(Kind::kString)) throw Failure(fmt::format("must be str, not {}", c[i].type_name()));
  return c[i].text();
}

Value with_case(const Call& c, Case to) { return c.budget.string(change_case(c.self.text(), to)); }
Value upper(const Call& c) { return with_case(c, Case::kUpper); }
Value lower(const Call& c) { return with_case(c, Case::kLower); }
Value title(const Call& c) { return with_case(c, Case::kTitle); }
Value capitalize(const Call& c) { return with_case(c, Case::kCapital); }
Value swapcase(const Call& c) { return with_case(c, Case::kSwap); }

template <CharacterClass k>
Value is_class(const Call& c) {
  return all_of_class(c.self.text(), k);
}

template <bool left, bool right>
Value stripped(const Call& c) {
  const std::string_view chars = given(c, 0) ? std::string_view(text_argument(c, 0)) : "";
  return c.budget.string(
      std::string(strip(c.self.text(), left, right, given(c, 0) ? &chars : nullptr)));
}

// The affix, or any of a tuple's.
template <bool at_start>
Value has_affix(const Call& c) {
  const auto matches = [&](const Value& affix) {
    if (!affix.is(Kind::kString)) {
      throw Failure(fmt::format("{}with first arg must be str or a tuple of str, not {}",
                                at_start ? "starts" : "ends", affix.type_name()));
    }
    return at_start ? c.self.text().starts_with(affix.text())
                    : c.self.text().ends_with(affix.text());
  };
  if (!c[0].is(Kind::kSequence)) return matches(c[0]);
  const Values& affixes = c[0].sequence().items;
  return std::any_of(affixes.begin(), affixes.end(), matches);
}

Value removeprefix(const Call& c) {
  const std::string &text = c.self.text(), &affix = text_argument(c, 0);
  return text.starts_with(affix) ? c.budget.string(text.substr(affix.size())) : c.self;
}

Value removesuffix(const Call& c) {
  const std::string &text = c.self.text(), &affix = text_argument(c, 0);
  return text.ends_with(affix) ? c.budget.string(text.substr(0, text.size() - affix.size()))
                               : c.self;
}

// At white space: runs of it separate, none at the ends. The last piece of a limited split keeps
// the rest.
void split_at_space(const Call& c, Values& pieces, int64_t limit, bool from_right) {
  std::string_view rest = strip(c.self.text(), !from_right, from_right);
  while (!rest.empty()) {
    size_t begin = from_right ? rest.size() : 0;
    if (limit-- == 0) {
      pieces.push_back(c.budget.string(std::string(strip(rest, !from_right, from_right))));
      return;
    }
    // The word at the near end, found by character.
    if (from_right) {
      std::string_view head = rest;
      while (!head.empty()) {
        size_t last = head.size() - 1;
        while (last > 0 && (head[last] & 0xC0) == 0x80) --last;
        if (is_space(character_at(head, last).code)) break;
        head = head.substr(0, last);
      }
      begin = head.size();
      pieces.push_back(c.budget.string(std::string(rest.substr(begin))));
      rest = strip(head, false, true);
    } else {
      while (begin < rest.size() && !is_space(character_at(rest, begin).code))
        begin += character_at(rest, begin).size;
      pieces.push_back(c.budget.string(std::string(rest.substr(0, begin))));
      rest = strip(rest.substr(begin), true, false);
    }
  }
}

template <bool from_right>
Value split(const Call& c) {
  Values pieces;
  int64_t limit = c.integer(1, -1);
  if (!given(c, 0)) {
    split_at_space(c, pieces, limit, from_right);
  } else {
    const std::string& separator = text_argument(c, 0);
    if (separator.empty()) throw Failure("empty separator");
    std::string_view rest = c.self.text();
    for (; limit != 0; --limit) {
      const size_t at = from_right ? rest.rfind(separator) : rest.find(separator);
      if (at == std::string_view::npos) break;
      const std::string_view head = rest.substr(0, at), tail = rest.substr(at + separator.size());
      pieces.push_back(c.budget.string(std::string(from_right ? tail : head)));
      rest = from_right ? head : tail;
    }
    pieces.push_back(c.budget.string(std::string(rest)));
  }
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return c.budget.list(std::move(pieces));
}

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

Value splitlines(const Call& c) {
  const std::string& text = c.self.text();
  Values lines;
  for (size_t begin = 0, i = 0; begin < text.size(); begin = i) {
    while (i < text.size() && !is_line_end(character_at(text, i).code))
      i += character_at(text, i).size;
    const size_t end = i;
    if (i < text.size()) i += text.compare(i, 2, "\r\n") == 0 ? 2 : character_at(text, i).size;
    lines.push_back(c.budget.string(text.substr(begin, (c.flag(0) ? i : end) - begin)));
  }
  return c.budget.list(std::move(lines));
}

template <bool from_right>
Value partition(const Call& c) {
  const std::string &text = c.self.text(), &separator = text_argument(c, 0);
  if (separator.empty()) throw Failure("empty separator");
  const size_t at = from_right ? text.rfind(separator) : text.find(separator);
  const auto make = [&](std::string part) { return c.budget.string(std::move(part)); };
  Values parts;
  if (at != std::string::npos) {
    parts = {make(text.substr(0, at)), c[0], make(text.substr(at + separator.size()))};
  } else if (from_right) {
    parts = {make(""), make(""), c.self};
  } else {
    parts = {c.self, make(""), make("")};
  }
  return c.budget.list(std::move(parts), SequenceKind::kTuple);
}

Value join(const Call& c) {
  Output out(c.budget);
  size_t i = 0;
  for (const Value& item : iterate(c.budget, c[0])) {
    if (!item.is(Kind::kString)) {
      throw Failure(
          fmt::format("sequence item {}: expected str instance, {} found", i, item.type_name()));
    }
    if (i++ > 0) out.append(c.self.text());
    out.append(item.text());
  }
  return c.budget.string(out.take());
}

Value replace(const Call& c) {
  return c.budget.string(replace_all(c.budget, c.self.text(), text_argument(c, 0),
                                     text_argument(c, 1), c.integer(2, -1)));
}

// The bytes that start and end (in characters, as in a slice) leave of the text.
std::pair<size_t, size_t> window(const Call& c) {
  const std::string& text = c.self.text();
  if (!given(c, 1) && !given(c, 2)) return {0, text.size()};
  const int64_t size = count_characters(text);
  const auto offset = [&](int64_t index) {
    return byte_offset(text, std::clamp<int64_t>(index < 0 ? index + size : index, 0, size));
  };
  const size_t begin = offset(c.integer(1, 0)), end = offset(c.integer(2, size));
  return {begin, std::max(begin, end)};
}

template <bool from_right, bool must_exist>
Value find(const Call& c) {
  const auto [begin, end] = window(c);
  const std::string_view part = std::string_view(c.self.text()).substr(begin, end - begin);
  const size_t at = from_right ? part.rfind(text_argument(c, 0)) : part.find(text_argument(c, 0));
  if (at != std::string_view::npos)
    return count_characters(std::string_view(c.self.text()).substr(0, begin + at));
  if (must_exist) throw Failure("substring not found");
  return int64_t{-1};
}

Value count(const Call& c) {
  const std::string& wanted = text_argument(c, 0);
  const auto [begin, end] = window(c);
  const std::string_view part = std::string_view(c.self.text()).substr(begin, end - begin);
  if (wanted.empty()) return count_characters(part) + 1;
  int64_t n = 0;
  for (size_t at = part.find(wanted); at != std::string_view::npos;
       at = part.find(wanted, at + wanted.size()))
    ++n;
  return n;
}

uint64_t missing(const Call& c) {
  return static_cast<uint64_t>(
      std::max<int64_t>(c.integer(0) - count_characters(c.self.text()), 0));
}

char fill(const Call& c) {
  const std::string text = c.text(1, " ");
  if (text.size() != 1) throw Failure("the fill character must be exactly one character long");
  return text[0];
}

Value center(const Call& c) {
  return c.budget.string(centered(c.budget, c.self.text(), c.integer(0), c.text(1, " ")));
}

Value ljust(const Call& c) {
  Output out(c.budget);
  out.append(c.self.text());
  out.append(missing(c), fill(c));
  return c.budget.string(out.take());
}

Value rjust(const Call& c) {
  Output out(c.budget);
  out.append(missing(c), fill(c));
  out.append(c.self.text());
  return c.budget.string(out.take());
}

Value zfill(const Call& c) {
  const std::string_view text = c.self.text();
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  Output out(c.budget);
  out.append(text.substr(0, sign));
  out.append(missing(c), '0');
  out.append(text.substr(sign));
  return c.budget.string(out.take());
}

// str.format with {}, {0} and {name}; attributes and format specifications are refused.
Value format(const Call& c) {
  const std::string& text = c.self.text();
  const Arguments& arguments = c.arguments();
  Output out(c.budget);
  size_t next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool doubled = i + 1 < text.size() && text[i + 1] == text[i];
    if ((text[i] != '{' && text[i] != '}') || doubled) {
      out.append(1, text[i]);
      if (text[i] == '{' || text[i] == '}') ++i;
      continue;
    }
    const size_t end = text.find('}', i);
    if (text[i] == '}' || end == std::string::npos)
      throw Failure(fmt::format("Single '{}' encountered in format string", text[i]));
    std::string name = text.substr(i + 1, end - i - 1);
    i = end;
    const bool numbered =
        name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6;
    const Value* value = nullptr;
    if (numbered) {
      const size_t at = name.empty() ? next++ : static_cast<size_t>(std::stoi(name));
      if (at < arguments.positional.size()) value = &arguments.positional[at];
    }
    for (const auto& [key, named] : arguments.named) {
      if (key == name) value = &named;
    }
    if (!value)
      throw Failure(fmt::format(
          "format() has no argument for '{{{}}}'; only {{}}, {{0}} and {{name}} are supported",
          name));
    write_text(out, *value);
  }
  return c.budget.string(out.take());
}

Value list_count(const Call& c) {
  const Values& items = c.self.sequence().items;
  return int64_t{std::count_if(items.begin(), items.end(),
                               [&](const Value& v) { return equal(c.budget, v, c[0]); })};
}

Value list_index(const Call& c) {
  const Values& items = c.self.sequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    if (equal(c.budget, items[i], c[0])) return static_cast<int64_t>(i);
  }
  throw Failure("the value is not in the list");
}

Value copy(const Call& c) { return c.self; }

Value get(const Call& c) {
  c.budget.step(c.self.mapping().items.size() / 16);
  if (const Value* found = c.self.mapping().find(c[0])) return *found;
  return c.has(1) ? c[1] : Value(None{});
}

Value keys(const Call& c) { return c.budget.list(iterate(c.budget, c.self)); }

Value values(const Call& c) {
  Values result;
  for (const auto& item : c.self.mapping().items) result.push_back(item.second);
  return c.budget.list(std::move(result));
}

Value items(const Call& c) {
  Values result;
  for (const auto& [key, value] : c.self.mapping().items) {
    result.push_back(c.budget.list({key, value}, SequenceKind::kTuple));
  }
  return c.budget.list(std::move(result));
}

Value refused(const Call& c) {
  throw Failure(fmt::format("a template cannot change a {}: build a new one, or use a namespace",
                            c.self.type_name()));
}

constexpr Builtin kTextMethods[] = {
    {"capitalize", capitalize},
    {"casefold", lower},
    {"center", center, "width! fillchar"},
    {"count", count, "sub! start end"},
    {"endswith", has_affix<false>, "suffix!"},
    {"find", find<false, false>, "sub! start end"},
    {"format", format, "* **"},
    {"index", find<false, true>, "sub! start end"},
    {"isalnum", is_class<CharacterClass::kAlnum>},
    {"isalpha", is_class<CharacterClass::kAlpha>},
    {"isdecimal", is_class<CharacterClass::kDigit>},
    {"isdigit", is_class<CharacterClass::kDigit>},
    {"islower", is_class<CharacterClass::kLower>},
    {"isnumeric", is_class<CharacterClass::kDigit>},
    {"isspace", is_class<CharacterClass::kSpace>},
    {"isupper", is_class<CharacterClass::kUpper>},
    {"join", join, "iterable!"},
    {"ljust", ljust, "width! fillchar"},
    {"lower", lower},
    {"lstrip", stripped<true, false>, "chars"},
    {"partition", partition<false>, "sep!"},
    {"removeprefix", removeprefix, "prefix!"},
    {"removesuffix", removesuffix, "suffix!"},
    {"replace", replace, "old! new! count"},
    {"rfind", find<true, false>, "sub! start end"},
    {"rindex", find<true, true>, "sub! start end"},
    {"rjust", rjust, "width! fillchar"},
    {"rpartition", partition<true>, "sep!"},
    {"rsplit", split<true>, "sep maxsplit"},
    {"rstrip", stripped<false, true>, "chars"},
    {"split", split<false>, "sep maxsplit"},
    {"splitlines", splitlines, "keepends"},
    {"startswith", has_affix<true>, "prefix!"},
    {"strip", stripped<true, true>, "chars"},
    {"swapcase", swapcase},
    {"title", title},
    {"upper", upper},
    {"zfill", zfill, "width!"},
};

constexpr Builtin kSequenceMethods[] = {
    {"append", refused, "* **"},     {"clear", refused, "* **"},  {"copy", copy},
    {"count", list_count, "value!"}, {"extend", refused, "* **"}, {"index", list_index, "value!"},
    {"insert", refused, "* **"},     {"pop", refused, "* **"},    {"remove", refused, "* **"},
    {"reverse", refused, "* **"},    {"sort", refused, "* **"},
};

constexpr Builtin kMappingMethods[] = {
    {"clear", refused, "* **"},
    {"copy", copy},
    {"get", get, "key! default"},
    {"items", items},
    {"keys", keys},
    {"pop", refused, "* **"},
    {"popitem", refused, "* **"},
    {"setdefault", refused, "* **"},
    {"update", refused, "* **"},
    {"values", values},
};

}  // namespace

std::span<const Builtin> text_methods() { return kTextMethods; }
std::span<const Builtin> sequence_methods() { return kSequenceMethods; }
std::span<const Builtin> mapping_methods() { return kMappingMethods; }

}  // namespace r1::jinja
