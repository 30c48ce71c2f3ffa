// Rotary position embedding, the definition.
#include <algorithm>

#include "kernels/rope/rope.h"

namespace r1 {

void rope_ref(const float* x, const float* cos, const float* sin, RopeLayout layout,
              int64_t n_heads, int64_t head_dim, int64_t n_pairs, float* y) {
  for (int64_t head = 0; head < n_heads; ++head, x += head_dim, y += head_dim) {
    for (int64_t i = 0; i < n_pairs; ++i) {
      const int64_t a = layout == RopeLayout::kAdjacent ? 2 * i : i;
      const int64_t b = layout == RopeLayout::kAdjacent ? 2 * i + 1 : i + n_pairs;
      y[a] = x[a] * cos[i] - x[b] * sin[i];
      y[b] = x[b] * cos[i] + x[a] * sin[i];
    }
    std::copy(x + 2 * n_pairs, x + head_dim, y + 2 * n_pairs);
  }
}

}  // namespace r1
