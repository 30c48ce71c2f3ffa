// The gradient of RMSNorm, y = x r w with r = 1 / sqrt(mean(x^2) + eps):
//   dx = r (w dy - x r^2 mean(w dy x));   dw = sum over rows of dy x r.
// Float and double. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

// x, dy, dx [rows, cols]; w [cols]; r [rows], written.
template <class T>
void rms_norm_backward(const T* x, const T* w, const T* dy, T eps, int64_t rows, int64_t cols,
                       T* dx, T* r);

// dw[j] += for columns j in [begin, end), rows in order.
template <class T>
void rms_norm_weight_backward(const T* x, const T* dy, const T* r, int64_t rows, int64_t cols,
                              int64_t begin, int64_t end, T* dw);

// norm_backward.cpp is the definition; others: |d - ref| <= 1e-5 max |ref|, and dw's columns do not
// depend on where they are split.
using RmsNormBackward = void(const float* x, const float* w, const float* dy, float eps,
                             int64_t rows, int64_t cols, float* dx, float* r);
using RmsNormWeightBackward = void(const float* x, const float* dy, const float* r, int64_t rows,
                                   int64_t cols, int64_t begin, int64_t end, float* dw);

RmsNormBackward rms_norm_backward_avx2, rms_norm_backward_avx512;
RmsNormWeightBackward rms_norm_weight_backward_avx2, rms_norm_weight_backward_avx512;

inline constexpr Variant<RmsNormBackward> kRmsNormBackward[] = {
    {Isa::kRef, rms_norm_backward<float>},
    {Isa::kAvx2, rms_norm_backward_avx2},
    {Isa::kAvx512, rms_norm_backward_avx512}};
inline constexpr Variant<RmsNormWeightBackward> kRmsNormWeightBackward[] = {
    {Isa::kRef, rms_norm_weight_backward<float>},
    {Isa::kAvx2, rms_norm_weight_backward_avx2},
    {Isa::kAvx512, rms_norm_weight_backward_avx512}};

}  // namespace r1
