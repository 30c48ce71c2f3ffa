// The loops of peak.h, one file per instruction set: operations done by n_rounds rounds.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

struct PeakLoops {
  int64_t (*f32)(int64_t n_rounds);
  int64_t (*int8)(int64_t n_rounds);
};

extern const PeakLoops kPeakRef, kPeakAvx2, kPeakAvx512, kPeakNeon, kPeakI8mm;

inline constexpr Variant<const PeakLoops> kPeak[] = {{Isa::kRef, &kPeakRef},
                                                     {Isa::kAvx2, &kPeakAvx2},
                                                     {Isa::kAvx512, &kPeakAvx512},
                                                     {Isa::kNeon, &kPeakNeon},
                                                     {Isa::kI8mm, &kPeakI8mm}};

}  // namespace r1
