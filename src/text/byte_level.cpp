#include "text/byte_level.h"

#include <array>
#include <cstdint>

#include "text/unicode.h"

namespace r1 {
namespace {

constexpr uint32_t kAlphabetEnd = 0x100 + 68;

constexpr std::array<int16_t, kAlphabetEnd> byte_of_character() {
  std::array<int16_t, kAlphabetEnd> table{};
  for (auto& entry : table) entry = -1;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    table[itself ? byte : next++] = static_cast<int16_t>(byte);
  }
  return table;
}

constexpr auto kByteOf = byte_of_character();

}  // namespace

bool append_spelled_bytes(std::string_view token, std::string& out) {
  const size_t before = out.size();
  for (size_t at = 0; at < token.size();) {
    const char byte = token[at];
    if (byte > ' ' && byte < 0x7F) {  // most of any vocabulary
      out.push_back(byte);
      ++at;
      continue;
    }
    const Utf8Char c = decode_char(token, at);
    if (c.code >= kAlphabetEnd || kByteOf[c.code] < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(static_cast<char>(kByteOf[c.code]));
    at += c.length;
  }
  return true;
}

}  // namespace r1
