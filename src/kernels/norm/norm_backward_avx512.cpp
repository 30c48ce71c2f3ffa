// The gradient of RMSNorm with AVX-512; see norm_backward_loop.h.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/norm/norm_backward_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {

void rms_norm_backward_avx512(const float* x, const float* w, const float* dy, float eps,
                              int64_t rows, int64_t cols, float* dx, float* r) {
  rms_norm_backward_loop<Vector16>(x, w, dy, eps, rows, cols, dx, r);
}

void rms_norm_weight_backward_avx512(const float* x, const float* dy, const float* r, int64_t rows,
                                     int64_t cols, int64_t begin, int64_t end, float* dw) {
  rms_norm_weight_backward_loop<Vector16>(x, dy, r, rows, cols, begin, end, dw);
}

}  // namespace r1
