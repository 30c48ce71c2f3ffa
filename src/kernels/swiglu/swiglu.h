// SwiGLU's gate (Shazeer 2020, eq. 6 with Swish_1): y = silu(gate) * up, silu(x) = x / (1 + e^-x),
// over n floats. swiglu_ref.cpp is the definition; others: |y - ref| <= 1e-6 |ref|. y[i] is one
// function of gate[i] and up[i], wherever i lies: no scalar tail with another exponential. y may be
// gate or up. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

using SwiGlu = void(const float* gate, const float* up, int64_t n, float* y);

SwiGlu swiglu_ref, swiglu_avx2, swiglu_avx512, swiglu_neon;

inline constexpr Variant<SwiGlu> kSwiGlu[] = {{Isa::kRef, swiglu_ref},
                                              {Isa::kAvx2, swiglu_avx2},
                                              {Isa::kAvx512, swiglu_avx512},
                                              {Isa::kNeon, swiglu_neon}};

}  // namespace r1
