// The gradient of RMSNorm with AVX2; see norm_backward_loop.h.
#include "kernels/norm/norm_backward_loop.h"
#include "kernels/vector_avx2.h"

namespace r1 {

void rms_norm_backward_avx2(const float* x, const float* w, const float* dy, float eps,
                            int64_t rows, int64_t cols, float* dx, float* r) {
  rms_norm_backward_loop<Vector8>(x, w, dy, eps, rows, cols, dx, r);
}

void rms_norm_weight_backward_avx2(const float* x, const float* dy, const float* r, int64_t rows,
                                   int64_t cols, int64_t begin, int64_t end, float* dw) {
  rms_norm_weight_backward_loop<Vector8>(x, dy, r, rows, cols, begin, end, dw);
}

}  // namespace r1
