// RMSNorm, the definition.
#include <cmath>

#include "kernels/norm/norm.h"

namespace r1 {

void rms_norm_ref(const float* x, const float* w, float eps, int64_t rows, int64_t cols, float* y) {
  for (int64_t i = 0; i < rows; ++i, x += cols, y += cols) {
    float squares = 0;
    for (int64_t j = 0; j < cols; ++j) squares += x[j] * x[j];
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(cols) + eps);
    for (int64_t j = 0; j < cols; ++j) y[j] = x[j] * scale * w[j];
  }
}

}  // namespace r1
