// The gradient of SwiGLU's gate in registers `V`; the tail is a masked register of the same
// arithmetic.
#pragma once

#include <algorithm>

#include "kernels/swiglu/swiglu_backward.h"

namespace r1 {

template <class V>
void swiglu_backward_loop(const float* gate, const float* up, const float* dy, int64_t n,
                          float* dgate, float* dup) {
  const auto one = V::set(1);
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const auto lanes = V::first(static_cast<int>(std::min<int64_t>(V::kLanes, n - i)));
    const auto g = V::load(gate + i, lanes), d = V::load(dy + i, lanes);
    const auto s = V::div(one, V::add(one, V::exp(V::sub(V::zero(), g))));
    const auto slope = V::mul(s, V::fma(g, V::sub(one, s), one));
    const auto by_gate = V::mul(V::mul(d, V::load(up + i, lanes)), slope);
    V::store(dup + i, lanes, V::mul(V::mul(d, g), s));
    V::store(dgate + i, lanes, by_gate);
  }
}

}  // namespace r1
