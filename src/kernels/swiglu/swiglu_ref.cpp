// SwiGLU's gate, the definition.
#include <cmath>

#include "kernels/swiglu/swiglu.h"

namespace r1 {

void swiglu_ref(const float* gate, const float* up, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

}  // namespace r1
