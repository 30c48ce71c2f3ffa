// Element by element over n floats: y = a + b, where y may be a or b; y += scale * x, rounded after
// the product and after the sum. Every variant gives the same bits. Single-threaded, allocates
// nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

using Add = void(const float* a, const float* b, int64_t n, float* y);

Add add_ref, add_avx2, add_neon;

inline constexpr Variant<Add> kAdd[] = {
    {Isa::kRef, add_ref}, {Isa::kAvx2, add_avx2}, {Isa::kNeon, add_neon}};

using AddScaled = void(float scale, const float* x, int64_t n, float* y);

AddScaled add_scaled_ref, add_scaled_avx2, add_scaled_neon;

inline constexpr Variant<AddScaled> kAddScaled[] = {
    {Isa::kRef, add_scaled_ref}, {Isa::kAvx2, add_scaled_avx2}, {Isa::kNeon, add_scaled_neon}};

}  // namespace r1
