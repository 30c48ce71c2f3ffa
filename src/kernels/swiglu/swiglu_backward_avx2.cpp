// The gradient of SwiGLU's gate with AVX2; see swiglu_backward_loop.h.
#include "kernels/swiglu/swiglu_backward_loop.h"
#include "kernels/vector_avx2.h"

namespace r1 {

void swiglu_backward_avx2(const float* gate, const float* up, const float* dy, int64_t n,
                          float* dgate, float* dup) {
  swiglu_backward_loop<Vector8>(gate, up, dy, n, dgate, dup);
}

}  // namespace r1
