// Log-probabilities and their gradients with AVX-512; see log_probability_loop.h.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include "kernels/softmax/log_probability_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {

float log_probability_avx512(const float* logits, int64_t vocab, int32_t token) {
  return LogProbabilityLoop<Vector16>::value(logits, vocab, token);
}

void log_probability_backward_avx512(const float* logits, int64_t vocab, int32_t token, float dy,
                                     float* dlogits) {
  LogProbabilityLoop<Vector16>::backward(logits, vocab, token, dy, dlogits);
}

}  // namespace r1
