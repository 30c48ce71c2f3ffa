#include "kernels/swiglu/swiglu_backward.h"

#include <cmath>

namespace r1 {

template <class T>
void swiglu_backward(const T* gate, const T* up, const T* dy, int64_t n, T* dgate, T* dup) {
  for (int64_t i = 0; i < n; ++i) {
    const T s = 1 / (1 + std::exp(-gate[i]));
    const T d = dy[i], g = gate[i];
    dgate[i] = d * up[i] * s * (1 + g * (1 - s));
    dup[i] = d * g * s;
  }
}

template void swiglu_backward(const float*, const float*, const float*, int64_t, float*, float*);
template void swiglu_backward(const double*, const double*, const double*, int64_t, double*,
                              double*);

}  // namespace r1
