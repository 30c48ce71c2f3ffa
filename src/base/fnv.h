// FNV-1a of 64 bits (draft-eastlake-fnv): a number for a short text, the same everywhere and for
// ever.
#pragma once

#include <cstdint>
#include <string_view>

namespace r1 {

constexpr uint64_t fnv1a64(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace r1
