// Strings by code point, as Python sees them. A byte that is no UTF-8 is one character of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace r1::jinja {

struct Character {
  char32_t code;  // 0xDC00 + byte where the byte is no UTF-8
  size_t size;    // in bytes
};

Character character_at(std::string_view text, size_t offset);  // offset < text.size()
void append_character(std::string& text, char32_t code);

int64_t count_characters(std::string_view text);
size_t byte_offset(std::string_view text,
                   int64_t index);  // of the index-th character, at most text.size()
std::vector<std::string_view> characters(std::string_view text);

bool is_space(char32_t code);      // str.isspace
bool is_printable(char32_t code);  // what repr leaves as it is
// str.strip and its kin: `chars` are the characters to strip, white space if null.
std::string_view strip(std::string_view text, bool left, bool right,
                       const std::string_view* chars = nullptr);

enum class Case { kUpper, kLower, kTitle, kSwap, kCapital };
// One character to one, but for ß: SS in upper case.
std::string change_case(std::string_view text, Case to);

enum class CharacterClass { kAlpha, kDigit, kAlnum, kSpace, kUpper, kLower };
bool all_of_class(std::string_view text,
                  CharacterClass c);  // str.isalpha and its kin; false when empty

}  // namespace r1::jinja
