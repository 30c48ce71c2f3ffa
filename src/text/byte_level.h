// GPT-2's printable alphabet for bytes (Radford et al. 2019, encoder.py: bytes_to_unicode): bytes
// 33-126, 161-172 and 174-255 stand for themselves, the other 68 for U+0100 upward in order.
// Vocabularies on disk spell tokens in it.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

// Appends the bytes a token spells; false, with `out` unchanged, if a character is outside the
// alphabet.
bool append_spelled_bytes(std::string_view token, std::string& out);

}  // namespace r1
