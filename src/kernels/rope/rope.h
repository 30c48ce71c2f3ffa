// Rotary position embedding (Su et al. 2021, eq. 34) of one token's heads. x, y [n_heads,
// head_dim]; the first 2 * n_pairs elements of a head are rotated, the rest copied; cos, sin
// [n_pairs] belong to the token's position:
//   y_a = x_a cos - x_b sin;  y_b = x_b cos + x_a sin.
// Every variant gives the same bits. y is not x. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

// Which elements pair i rotates: (2i, 2i+1) as in the paper and in GGUF's llama, or (i, i +
// n_pairs) as in Hugging Face checkpoints ("rotate half").
enum class RopeLayout : uint8_t { kAdjacent, kHalves };

using Rope = void(const float* x, const float* cos, const float* sin, RopeLayout layout,
                  int64_t n_heads, int64_t head_dim, int64_t n_pairs, float* y);

Rope rope_ref, rope_avx2, rope_neon;

inline constexpr Variant<Rope> kRope[] = {
    {Isa::kRef, rope_ref}, {Isa::kAvx2, rope_avx2}, {Isa::kNeon, rope_neon}};

}  // namespace r1
