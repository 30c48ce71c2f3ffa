// Element-by-element ops, the definition.
#include "kernels/elementwise/elementwise.h"

namespace r1 {

void add_ref(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void add_scaled_ref(float scale, const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

}  // namespace r1
