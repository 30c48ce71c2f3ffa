// Log-probabilities and their gradients with AVX2; see log_probability_loop.h.
#include "kernels/softmax/log_probability_loop.h"
#include "kernels/vector_avx2.h"

namespace r1 {

float log_probability_avx2(const float* logits, int64_t vocab, int32_t token) {
  return LogProbabilityLoop<Vector8>::value(logits, vocab, token);
}

void log_probability_backward_avx2(const float* logits, int64_t vocab, int32_t token, float dy,
                                   float* dlogits) {
  LogProbabilityLoop<Vector8>::backward(logits, vocab, token, dy, dlogits);
}

}  // namespace r1
