#include "kernels/norm/norm_backward.h"

#include <cmath>

namespace r1 {

template <class T>
void rms_norm_backward(const T* x, const T* w, const T* dy, T eps, int64_t rows, int64_t cols,
                       T* dx, T* r) {
  const T n = static_cast<T>(cols);
  for (int64_t i = 0; i < rows; ++i, x += cols, dy += cols, dx += cols) {
    T squares = 0, product = 0;
    for (int64_t j = 0; j < cols; ++j) {
      squares += x[j] * x[j];
      product += w[j] * dy[j] * x[j];
    }
    r[i] = 1 / std::sqrt(squares / n + eps);
    const T pull = r[i] * r[i] * product / n;
    for (int64_t j = 0; j < cols; ++j) dx[j] = r[i] * (w[j] * dy[j] - x[j] * pull);
  }
}

template <class T>
void rms_norm_weight_backward(const T* x, const T* dy, const T* r, int64_t rows, int64_t cols,
                              int64_t begin, int64_t end, T* dw) {
  for (int64_t i = 0; i < rows; ++i, x += cols, dy += cols) {
    for (int64_t j = begin; j < end; ++j) dw[j] += dy[j] * x[j] * r[i];
  }
}

template void rms_norm_backward(const float*, const float*, const float*, float, int64_t, int64_t,
                                float*, float*);
template void rms_norm_backward(const double*, const double*, const double*, double, int64_t,
                                int64_t, double*, double*);
template void rms_norm_weight_backward(const float*, const float*, const float*, int64_t, int64_t,
                                       int64_t, int64_t, float*);
template void rms_norm_weight_backward(const double*, const double*, const double*, int64_t,
                                       int64_t, int64_t, int64_t, double*);

}  // namespace r1
