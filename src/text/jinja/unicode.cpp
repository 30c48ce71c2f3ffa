#include "text/jinja/unicode.h"

#include <utf8proc.h>

namespace r1::jinja {

Character character_at(std::string_view text, size_t offset) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + offset);
  if (bytes[0] < 0x80) return {bytes[0], 1};
  utf8proc_int32_t code;
  const utf8proc_ssize_t size =
      utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size() - offset), &code);
  if (size <= 0) return {static_cast<char32_t>(0xDC00 + bytes[0]), 1};
  return {static_cast<char32_t>(code), static_cast<size_t>(size)};
}

void append_character(std::string& text, char32_t code) {
  if (code >= 0xDC80 && code <= 0xDCFF) {  // a byte of its own, see character_at
    text.push_back(static_cast<char>(code - 0xDC00));
    return;
  }
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

int64_t count_characters(std::string_view text) {
  int64_t n = 0;
  for (size_t i = 0; i < text.size(); i += character_at(text, i).size) ++n;
  return n;
}

size_t byte_offset(std::string_view text, int64_t index) {
  size_t i = 0;
  while (index-- > 0 && i < text.size()) i += character_at(text, i).size;
  return i;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  for (size_t i = 0; i < text.size();) {
    const size_t size = character_at(text, i).size;
    result.push_back(text.substr(i, size));
    i += size;
  }
  return result;
}

bool is_space(char32_t c) {
  if (c < 0x80) return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
  if (c < 0x80) return c >= 0x20 && c != 0x7F;
  if (c >= 0xDC80 && c <= 0xDCFF) return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string_view strip(std::string_view text, bool left, bool right,
                       const std::string_view* chars) {
  const auto stripped = [chars](std::string_view c, char32_t code) {
    return chars ? chars->find(c) != std::string_view::npos : is_space(code);
  };
  while (left && !text.empty()) {
    const Character c = character_at(text, 0);
    if (!stripped(text.substr(0, c.size), c.code)) break;
    text.remove_prefix(c.size);
  }
  while (right && !text.empty()) {
    size_t begin = text.size() - 1;  // back to the first byte of the last character
    for (size_t n = 1; n < 4 && begin > 0 && (text[begin] & 0xC0) == 0x80; ++n) --begin;
    if (begin + character_at(text, begin).size != text.size()) begin = text.size() - 1;
    if (!stripped(text.substr(begin), character_at(text, begin).code)) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

namespace {

char32_t upper(char32_t c) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}
char32_t lower(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

bool is_class(char32_t c, CharacterClass wanted) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  const bool alpha = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
  const bool digit = category == UTF8PROC_CATEGORY_ND;
  switch (wanted) {
    case CharacterClass::kAlpha:
      return alpha;
    case CharacterClass::kDigit:
      return digit;
    case CharacterClass::kAlnum:
      return alpha || digit;
    case CharacterClass::kSpace:
      return is_space(c);
    case CharacterClass::kUpper:
      return category == UTF8PROC_CATEGORY_LU;
    case CharacterClass::kLower:
      return category == UTF8PROC_CATEGORY_LL;
  }
  return false;
}

}  // namespace

std::string change_case(std::string_view text, Case to) {
  std::string result;
  bool inside = false;  // a word (kTitle) or the text (kCapital)
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    i += c.size;
    switch (to) {
      case Case::kUpper:
        if (c.code == 0xDF) {
          result += "SS";
        } else {
          append_character(result, upper(c.code));
        }
        break;
      case Case::kLower:
        append_character(result, lower(c.code));
        break;
      case Case::kSwap:
        append_character(result, upper(c.code) == c.code ? lower(c.code) : upper(c.code));
        break;
      case Case::kTitle:
      case Case::kCapital:
        append_character(result, inside ? lower(c.code) : upper(c.code));
        break;
    }
    inside = to == Case::kCapital || upper(c.code) != lower(c.code);
  }
  return result;
}

bool all_of_class(std::string_view text, CharacterClass wanted) {
  // isupper and islower ask only the characters that have a case.
  const bool cased = wanted == CharacterClass::kUpper || wanted == CharacterClass::kLower;
  bool found = false;
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    i += c.size;
    if (is_class(c.code, wanted)) {
      found = true;
    } else if (!cased || upper(c.code) != lower(c.code)) {
      return false;
    }
  }
  return found;
}

}  // namespace r1::jinja
