#include "kernels/attention/attention_backward.h"

#include <algorithm>
#include <cmath>

namespace r1 {
namespace {

template <class T>
T dot(const T* a, const T* b, int64_t n) {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

template <class T>
void add_scaled(T* y, T factor, const T* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

}  // namespace

template <class T>
void attention_backward(const AttentionGradient<T>& a, T* scratch) {
  T* p = scratch;
  T* dp = scratch + a.n;
  for (int64_t head = 0; head < a.n_heads; ++head) {
    for (int64_t t = 0; t < a.n; ++t) {
      const T* q = a.q + t * a.q_stride + head * a.k_dim;
      const T* dy = a.dy + t * a.y_stride + head * a.v_dim;
      T* dq = a.dq + t * a.q_stride + head * a.k_dim;
      for (int64_t j = 0; j <= t; ++j) p[j] = a.scale * dot(q, a.k + j * a.k_stride, a.k_dim);
      const T top = *std::max_element(p, p + t + 1);
      T sum = 0;
      for (int64_t j = 0; j <= t; ++j) sum += p[j] = std::exp(p[j] - top);
      T mean = 0;
      for (int64_t j = 0; j <= t; ++j) {
        p[j] /= sum;
        dp[j] = dot(dy, a.v + j * a.v_stride, a.v_dim);
        mean += p[j] * dp[j];
      }
      std::fill(dq, dq + a.k_dim, T{0});
      for (int64_t j = 0; j <= t; ++j) {
        const T ds = p[j] * (dp[j] - mean) * a.scale;
        add_scaled(dq, ds, a.k + j * a.k_stride, a.k_dim);
        add_scaled(a.dk + j * a.k_stride, ds, q, a.k_dim);
        add_scaled(a.dv + j * a.v_stride, p[j], dy, a.v_dim);
      }
    }
  }
}

template void attention_backward(const AttentionGradient<float>&, float*);
template void attention_backward(const AttentionGradient<double>&, double*);

}  // namespace r1
