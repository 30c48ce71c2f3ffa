#include "infer/grammar/char_set.h"

#include <algorithm>
#include <span>

namespace r1 {
namespace {

using Bytes = CharSet::Bytes;

std::vector<uint8_t> encode(char32_t c) {
  const auto byte = [](char32_t x) { return static_cast<uint8_t>(x); };
  const auto tail = [&](int shift) { return byte(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {byte(0xE0 | c >> 12), tail(6), tail(0)};
  return {byte(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

bool all(std::span<const uint8_t> bytes, uint8_t value) {
  return std::ranges::all_of(bytes, [=](uint8_t b) { return b == value; });
}

// low and high have one length; what lies between them, as rectangles of bytes after `prefix`.
void split(std::span<const uint8_t> low, std::span<const uint8_t> high, std::vector<Bytes> prefix,
           std::vector<std::vector<Bytes>>& out) {
  if (low.size() == 1) {
    prefix.push_back({low[0], high[0]});
    return out.push_back(std::move(prefix));
  }
  const auto low_rest = low.subspan(1), high_rest = high.subspan(1);
  if (low[0] == high[0]) {
    prefix.push_back({low[0], low[0]});
    return split(low_rest, high_rest, std::move(prefix), out);
  }
  const std::vector<uint8_t> first(low_rest.size(), 0x80), last(low_rest.size(), 0xBF);
  const auto part = [&](uint8_t from, uint8_t to, std::span<const uint8_t> a,
                        std::span<const uint8_t> b) {
    std::vector<Bytes> begun = prefix;
    begun.push_back({from, to});
    split(a, b, std::move(begun), out);
  };
  int from = low[0], to = high[0];
  if (!all(low_rest, 0x80)) part(static_cast<uint8_t>(from++), low[0], low_rest, last);
  if (!all(high_rest, 0xBF)) --to;
  if (from <= to) part(static_cast<uint8_t>(from), static_cast<uint8_t>(to), first, last);
  if (to < high[0]) part(high[0], high[0], first, high_rest);
}

}  // namespace

CharSet::CharSet(std::vector<Range> ranges) {
  std::ranges::sort(ranges);
  for (const auto& [low, high] : ranges) {
    if (low > high) continue;
    if (!ranges_.empty() && low <= ranges_.back().second + 1)
      ranges_.back().second = std::max(ranges_.back().second, high);
    else
      ranges_.emplace_back(low, high);
  }
}

CharSet CharSet::complement() const {
  CharSet rest;
  char32_t next = 0;
  for (const auto& [low, high] : ranges_) {
    if (low > next) rest.ranges_.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kLast) rest.ranges_.emplace_back(next, kLast);
  return rest;
}

CharSet CharSet::intersection(const CharSet& other) const {
  std::vector<Range> both;
  for (const auto& [low, high] : ranges_)
    for (const auto& [a, b] : other.ranges_)
      if (std::max(low, a) <= std::min(high, b))
        both.emplace_back(std::max(low, a), std::min(high, b));
  return CharSet(std::move(both));
}

bool CharSet::contains(char32_t c) const {
  return std::ranges::any_of(ranges_,
                             [c](const Range& r) { return r.first <= c && c <= r.second; });
}

std::vector<std::vector<Bytes>> CharSet::utf8() const {
  constexpr Range kLengths[] = {
      {0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, kLast}};
  std::vector<std::vector<Bytes>> out;
  for (const auto& [low, high] : ranges_) {
    for (const auto& [least, most] : kLengths) {
      const char32_t a = std::max(low, least), b = std::min(high, most);
      if (a <= b) split(encode(a), encode(b), {}, out);
    }
  }
  return out;
}

char32_t take_char(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t n = lead >= 0xF0 && lead < 0xF8 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  char32_t c = n == 1 ? lead : lead & (0x7Fu >> n);
  bool whole = lead < 0xF8 && n <= text.size();
  for (size_t i = 1; whole && i < n; ++i) {
    whole = (byte(i) & 0xC0) == 0x80;
    c = c << 6 | (byte(i) & 0x3Fu);
  }
  if (!whole || c > CharSet::kLast) {
    text.remove_prefix(1);
    return lead;
  }
  text.remove_prefix(n);
  return c;
}

}  // namespace r1
