// UTF-8 and the few Unicode properties tokenizers ask for; the tables are utf8proc's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace r1 {

enum class Utf8 : uint8_t {
  kValid,
  kInvalid,
  kTruncated
};  // truncated: more bytes could complete it

struct Utf8Char {
  uint32_t code;  // the code point; U+FFFD unless kValid
  uint32_t
      length;  // bytes; of an ill-formed sequence its maximal subpart (Unicode 15, §3.9), never 0
  Utf8 status;
};

// The character at text[at]; at < text.size().
Utf8Char decode_char(std::string_view text, size_t at);
void append_utf8(std::string& out, uint32_t code);

bool is_utf8(std::string_view text);
// Each maximal ill-formed subpart becomes U+FFFD, as Python's and Rust's lossy decoders do; the
// byte `keep` stays as it is where keep >= 0x80.
std::string replace_invalid(std::string_view text, char keep = '\0');

bool is_space(uint32_t code);  // White_Space
bool is_word(uint32_t code);   // letters, marks, decimal digits, connectors: \w

enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };
// text: valid UTF-8.
std::string normalize(std::string_view text, NormalForm form);
std::string lowercase(std::string_view text);

}  // namespace r1
