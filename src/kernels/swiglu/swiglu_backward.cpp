#include "kernels/swiglu/swiglu_backward.h"

#include <cmath>

namespace r1 {

template <class T>
void swiglu_backward(const T* gate, const T* up, const T* dy, int64_t n, T* dgate, T* dup) {
  for (int64_t i = 0; i < n; ++i) {
    const T s = 1 / (1 + std::exp(-gate[i]));
    dgate[i] = dy[i] * up[i] * s * (1 + gate[i] * (1 - s));
    dup[i] = dy[i] * gate[i] * s;
  }
}

template void swiglu_backward(const float*, const float*, const float*, int64_t, float*, float*);
template void swiglu_backward(const double*, const double*, const double*, int64_t, double*,
                              double*);

}  // namespace r1
