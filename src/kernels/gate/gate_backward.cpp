#include "kernels/gate/gate_backward.h"

#include <algorithm>
#include <cmath>

namespace r1 {

template <class T>
void gate_backward(const Gate& g, const T* logits, const int32_t* experts, const T* dweights,
                   T* dlogits) {
  const int n = g.n_experts;
  T s[kMostExperts], sum = 0;
  const T top = *std::max_element(logits, logits + n);
  for (int i = 0; i < n; ++i) {
    s[i] = g.sigmoid ? 1 / (1 + std::exp(-logits[i])) : std::exp(logits[i] - top);
    sum += s[i];
  }
  for (int i = 0; i < n && !g.sigmoid; ++i) s[i] /= sum;

  T z = g.norm ? static_cast<T>(1e-20) : T{1}, mean = 0;
  for (int k = 0; k < g.n_used && g.norm; ++k) {
    z += s[experts[k]];
    mean += dweights[k] * s[experts[k]];
  }
  mean /= z;
  std::fill(dlogits, dlogits + n, T{0});  // first ds
  T inner = 0;
  for (int k = 0; k < g.n_used; ++k) {
    const T ds = static_cast<T>(g.scale) * (dweights[k] - mean) / z;
    dlogits[experts[k]] = ds;
    inner += ds * s[experts[k]];
  }
  for (int i = 0; i < n; ++i)
    dlogits[i] = g.sigmoid ? dlogits[i] * s[i] * (1 - s[i]) : s[i] * (dlogits[i] - inner);
}

template void gate_backward(const Gate&, const float*, const int32_t*, const float*, float*);
template void gate_backward(const Gate&, const double*, const int32_t*, const double*, double*);

}  // namespace r1
