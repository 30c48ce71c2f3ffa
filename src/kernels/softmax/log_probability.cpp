#include "kernels/softmax/log_probability.h"

#include <algorithm>
#include <cmath>

namespace r1 {
namespace {

// log sum e^z, summed in double.
template <class T>
double log_sum_exp(const T* z, int64_t n) {
  const T top = *std::max_element(z, z + n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(z[i] - top));
  return static_cast<double>(top) + std::log(sum);
}

}  // namespace

template <class T>
T log_probability(const T* logits, int64_t vocab, int32_t token) {
  return static_cast<T>(static_cast<double>(logits[token]) - log_sum_exp(logits, vocab));
}

template <class T>
void log_probability_backward(const T* logits, int64_t vocab, int32_t token, T dy, T* dlogits) {
  const auto all = static_cast<T>(log_sum_exp(logits, vocab));
  for (int64_t i = 0; i < vocab; ++i) dlogits[i] = -dy * std::exp(logits[i] - all);
  dlogits[token] += dy;
}

template float log_probability(const float*, int64_t, int32_t);
template double log_probability(const double*, int64_t, int32_t);
template void log_probability_backward(const float*, int64_t, int32_t, float, float*);
template void log_probability_backward(const double*, int64_t, int32_t, double, double*);

}  // namespace r1
