// The gradient of RMSNorm, y = x r w with r = 1 / sqrt(mean(x^2) + eps):
//   dx = r (w dy - x r^2 mean(w dy x));   dw = sum over rows of dy x r.
// Float and double. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

namespace r1 {

// x, dy, dx [rows, cols]; w [cols]; r [rows], written.
template <class T>
void rms_norm_backward(const T* x, const T* w, const T* dy, T eps, int64_t rows, int64_t cols,
                       T* dx, T* r);

// dw[j] += for columns j in [begin, end), rows in order.
template <class T>
void rms_norm_weight_backward(const T* x, const T* dy, const T* r, int64_t rows, int64_t cols,
                              int64_t begin, int64_t end, T* dw);

}  // namespace r1
