// Sets of Unicode characters, and the UTF-8 that spells them.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace r1 {

class CharSet {
 public:
  using Range = std::pair<char32_t, char32_t>;  // both ends included
  static constexpr char32_t kLast = 0x10FFFF;

  CharSet() = default;
  CharSet(std::initializer_list<Range> ranges) : CharSet(std::vector<Range>(ranges)) {}
  explicit CharSet(std::vector<Range> ranges);

  const std::vector<Range>& ranges() const { return ranges_; }  // ascending, apart
  CharSet complement() const;
  CharSet intersection(const CharSet& other) const;
  bool contains(char32_t c) const;

  // Every spelling: sequences of 1 to 4 byte ranges. Surrogates have none.
  struct Bytes {
    uint8_t low, high;
  };
  std::vector<std::vector<Bytes>> utf8() const;

 private:
  std::vector<Range> ranges_;
};

// The character that `text` begins with, which is taken off; a byte that begins none stands for
// itself. `text` is not empty.
char32_t take_char(std::string_view& text);

}  // namespace r1
