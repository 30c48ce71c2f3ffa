// A step of AdamW in registers `V`.
#pragma once

#include <algorithm>

#include "kernels/adamw/adamw.h"

namespace r1 {

template <class V>
void adamw_loop(const AdamWStep& s, int64_t n, const float* gradient, float* w, float* m,
                float* v) {
  const auto scale = V::set(s.scale), b1 = V::set(s.b1), new1 = V::set(s.new1), b2 = V::set(s.b2),
             new2 = V::set(s.new2), keep = V::set(s.keep), rate = V::set(s.rate),
             unbias = V::set(s.unbias), eps = V::set(s.eps);
  for (int64_t i = 0; i < n; i += V::kLanes) {
    const auto lanes = V::first(static_cast<int>(std::min<int64_t>(V::kLanes, n - i)));
    const auto g = V::mul(V::load(gradient + i, lanes), scale);
    const auto first = V::fma(b1, V::load(m + i, lanes), V::mul(new1, g));
    const auto second = V::fma(b2, V::load(v + i, lanes), V::mul(V::mul(new2, g), g));
    const auto step = V::div(V::mul(rate, first), V::fma(V::sqrt(second), unbias, eps));
    V::store(m + i, lanes, first);
    V::store(v + i, lanes, second);
    V::store(w + i, lanes, V::sub(V::mul(V::load(w + i, lanes), keep), step));
  }
}

}  // namespace r1
