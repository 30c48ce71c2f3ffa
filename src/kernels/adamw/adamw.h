// One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) over n weights and their moments:
//   g = scale gradient;  m = b1 m + new1 g;  v = b2 v + new2 g^2;
//   w = keep w - rate m / (unbias sqrt(v) + eps).
// adamw_ref.cpp is the definition; others: m, v and the change of w within 1e-6 of it. An element's
// step depends on its own numbers alone. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

struct AdamWStep {
  float scale, b1, new1, b2, new2, keep, rate, unbias, eps;
};

using AdamWUpdate = void(const AdamWStep& s, int64_t n, const float* gradient, float* w, float* m,
                         float* v);

AdamWUpdate adamw_ref, adamw_avx2, adamw_avx512;

inline constexpr Variant<AdamWUpdate> kAdamW[] = {
    {Isa::kRef, adamw_ref}, {Isa::kAvx2, adamw_avx2}, {Isa::kAvx512, adamw_avx512}};

}  // namespace r1
