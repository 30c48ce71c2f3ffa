// How a product walks its row groups and tokens: with many tokens, a tile of row groups that fits
// the second-level cache meets tile after tile of tokens, which fit it too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace r1 {

// The sums of kAll rows, of which `rows` exist: mostly all, then a few stores and no call.
template <int kAll>
inline void store_rows(float* y, const void* sums, int64_t rows) {
  if (rows >= kAll) {
    std::memcpy(y, sums, kAll * sizeof(float));
  } else {
    std::memcpy(y, sums, static_cast<size_t>(rows) * sizeof(float));
  }
}

// body(g, n_g, t, n_t): row groups [g, g + n_g) and tokens [t, t + n_t), n_t <= most_tokens. Tiles
// hold a multiple of kGroups row groups, `group_bytes` each.
template <int kGroups, class Body>
void for_tiles(int64_t n_groups, size_t group_bytes, int64_t n_tokens, int64_t most_tokens,
               Body body) {
  constexpr size_t kTileBytes = 384 << 10;
  const auto least = [](int64_t a, int64_t b) { return a < b ? a : b; };
  int64_t tile = n_groups;
  if (n_tokens > most_tokens) {
    tile = static_cast<int64_t>(kTileBytes / (group_bytes * kGroups)) * kGroups;
    if (tile == 0) tile = kGroups;
  }
  for (int64_t g = 0; g < n_groups; g += tile) {
    for (int64_t t = 0; t < n_tokens; t += most_tokens) {
      body(g, least(tile, n_groups - g), t, least(most_tokens, n_tokens - t));
    }
  }
}

}  // namespace r1
