#include <cmath>

#include "kernels/adamw/adamw.h"

namespace r1 {

void adamw_ref(const AdamWStep& s, int64_t n, const float* gradient, float* w, float* m, float* v) {
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * s.scale;
    m[i] = s.b1 * m[i] + s.new1 * g;
    v[i] = s.b2 * v[i] + s.new2 * g * g;
    w[i] = w[i] * s.keep - s.rate * m[i] / (std::sqrt(v[i]) * s.unbias + s.eps);
  }
}

}  // namespace r1
