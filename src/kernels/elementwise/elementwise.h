// Element by element: y = a + b over n floats. Every variant gives the same bits: one IEEE addition
// each. y may be a or b. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

using Add = void(const float* a, const float* b, int64_t n, float* y);

Add add_ref, add_avx2, add_neon;

inline constexpr Variant<Add> kAdd[] = {
    {Isa::kRef, add_ref}, {Isa::kAvx2, add_avx2}, {Isa::kNeon, add_neon}};

}  // namespace r1
