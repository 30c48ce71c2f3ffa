// Log-probabilities in registers `V`: exponentials are summed lane by lane over kBlock logits, then
// in double.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/softmax/log_probability.h"

namespace r1 {

template <class V>
struct LogProbabilityLoop {
  static constexpr int64_t kBlock = 1024;

  static auto lanes_from(int64_t i, int64_t end) {
    return V::first(static_cast<int>(std::min<int64_t>(V::kLanes, end - i)));
  }

  // log sum e^z.
  static double log_sum_exp(const float* z, int64_t n) {
    const auto first = V::set(z[0]);
    auto most = first;
    for (int64_t i = 0; i < n; i += V::kLanes) {
      const auto lanes = lanes_from(i, n);
      most = V::max(most, V::select(lanes, V::load(z + i, lanes), first));
    }
    const float top = V::largest(most);
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t end = std::min(begin + kBlock, n);
      auto part = V::zero();
      for (int64_t i = begin; i < end; i += V::kLanes) {
        const auto lanes = lanes_from(i, end);
        const auto e = V::exp(V::sub(V::load(z + i, lanes), V::set(top)));
        part = V::add(part, V::select(lanes, e, V::zero()));
      }
      sum += static_cast<double>(V::total(part));
    }
    return static_cast<double>(top) + std::log(sum);
  }

  static float value(const float* z, int64_t n, int32_t token) {
    return static_cast<float>(static_cast<double>(z[token]) - log_sum_exp(z, n));
  }

  static void backward(const float* z, int64_t n, int32_t token, float dy, float* dz) {
    const auto all = V::set(static_cast<float>(log_sum_exp(z, n))), scale = V::set(-dy);
    for (int64_t i = 0; i < n; i += V::kLanes) {
      const auto lanes = lanes_from(i, n);
      V::store(dz + i, lanes, V::mul(scale, V::exp(V::sub(V::load(z + i, lanes), all))));
    }
    dz[token] += dy;
  }
};

}  // namespace r1
