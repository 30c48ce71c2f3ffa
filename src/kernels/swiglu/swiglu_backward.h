// The gradient of SwiGLU's gate, y = silu(gate) up with s = 1 / (1 + e^-gate):
//   dgate = dy up s (1 + gate (1 - s));   dup = dy gate s.
// Float and double, over n elements. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

// dgate and dup may be dy, gate or up. swiglu_backward.cpp is the definition; others: as swiglu.h.
template <class T>
void swiglu_backward(const T* gate, const T* up, const T* dy, int64_t n, T* dgate, T* dup);

using SwigluBackward = void(const float* gate, const float* up, const float* dy, int64_t n,
                            float* dgate, float* dup);

SwigluBackward swiglu_backward_avx2, swiglu_backward_avx512;

inline constexpr Variant<SwigluBackward> kSwigluBackward[] = {
    {Isa::kRef, swiglu_backward<float>},
    {Isa::kAvx2, swiglu_backward_avx2},
    {Isa::kAvx512, swiglu_backward_avx512}};

}  // namespace r1
