// The tokens that may be drawn: bit `id % 64` of word `id / 64`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace r1 {

using TokenMask = std::vector<uint64_t>;

inline bool allows(const TokenMask& mask, int32_t id) {
  const auto i = static_cast<size_t>(id);
  return i / 64 < mask.size() && (mask[i / 64] >> (i % 64) & 1) != 0;
}

}  // namespace r1
