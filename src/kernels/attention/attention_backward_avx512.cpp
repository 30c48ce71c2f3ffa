// The gradient of attention with AVX-512; see attention_backward_loop.h.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/attention/attention_backward_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {

void attention_backward_avx512(const AttentionGradient<float>& a, float* scratch) {
  AttentionBackwardLoop<Vector16>::run(a, scratch);
}

}  // namespace r1
