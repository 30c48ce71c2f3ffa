// RMSNorm (Zhang and Sennrich 2019, eq. 4): y = x / sqrt(mean(x^2) + eps) * w.   x, y [rows, cols];
// w [cols]. norm_ref.cpp is the definition; others: relative error <= 1e-5. y[i] depends on x[i]
// and w alone: the order of the sum is a function of cols. x and y may be the same memory.
// Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

using RmsNorm = void(const float* x, const float* w, float eps, int64_t rows, int64_t cols,
                     float* y);

RmsNorm rms_norm_ref, rms_norm_avx2, rms_norm_avx512, rms_norm_neon;

inline constexpr Variant<RmsNorm> kRmsNorm[] = {{Isa::kRef, rms_norm_ref},
                                                {Isa::kAvx2, rms_norm_avx2},
                                                {Isa::kAvx512, rms_norm_avx512},
                                                {Isa::kNeon, rms_norm_neon}};

}  // namespace r1
