// The gradient of RMSNorm in registers `V`.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/norm/norm_backward.h"

namespace r1 {

template <class V>
auto lanes_from(int64_t j, int64_t end) {
  return V::first(static_cast<int>(std::min<int64_t>(V::kLanes, end - j)));
}

template <class V>
void rms_norm_backward_loop(const float* x, const float* w, const float* dy, float eps,
                            int64_t rows, int64_t cols, float* dx, float* r) {
  const auto n = static_cast<float>(cols);
  for (int64_t i = 0; i < rows; ++i, x += cols, dy += cols, dx += cols) {
    auto squares = V::zero(), product = V::zero();
    for (int64_t j = 0; j < cols; j += V::kLanes) {
      const auto lanes = lanes_from<V>(j, cols);
      const auto v = V::load(x + j, lanes);
      squares = V::fma(v, v, squares);
      product = V::fma(V::mul(V::load(w + j, lanes), V::load(dy + j, lanes)), v, product);
    }
    r[i] = 1 / std::sqrt(V::total(squares) / n + eps);
    const auto scale = V::set(r[i]), pull = V::set(-r[i] * r[i] * V::total(product) / n);
    for (int64_t j = 0; j < cols; j += V::kLanes) {
      const auto lanes = lanes_from<V>(j, cols);
      const auto scaled = V::mul(V::load(w + j, lanes), V::load(dy + j, lanes));
      V::store(dx + j, lanes, V::mul(scale, V::fma(V::load(x + j, lanes), pull, scaled)));
    }
  }
}

template <class V>
void rms_norm_weight_backward_loop(const float* x, const float* dy, const float* r, int64_t rows,
                                   int64_t cols, int64_t begin, int64_t end, float* dw) {
  for (int64_t j = begin; j < end; j += V::kLanes) {
    const auto lanes = lanes_from<V>(j, end);
    auto sum = V::load(dw + j, lanes);
    for (int64_t i = 0; i < rows; ++i) {
      const auto product =
          V::mul(V::load(dy + i * cols + j, lanes), V::load(x + i * cols + j, lanes));
      sum = V::fma(product, V::set(r[i]), sum);
    }
    V::store(dw + j, lanes, sum);
  }
}

}  // namespace r1
