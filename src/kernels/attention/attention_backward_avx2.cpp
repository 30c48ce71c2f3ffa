// The gradient of attention with AVX2; see attention_backward_loop.h.
#include "kernels/attention/attention_backward_loop.h"
#include "kernels/vector_avx2.h"

namespace r1 {

void attention_backward_avx2(const AttentionGradient<float>& a, float* scratch) {
  AttentionBackwardLoop<Vector8>::run(a, scratch);
}

}  // namespace r1
