// The gradient of SwiGLU's gate with AVX-512; see swiglu_backward_loop.h.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/swiglu/swiglu_backward_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {

void swiglu_backward_avx512(const float* gate, const float* up, const float* dy, int64_t n,
                            float* dgate, float* dup) {
  swiglu_backward_loop<Vector16>(gate, up, dy, n, dgate, dup);
}

}  // namespace r1
