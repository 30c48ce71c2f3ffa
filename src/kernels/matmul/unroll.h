// unroll<n>(f): f(0), f(1), ... f(n - 1) written out, each index a constant, so that arrays indexed
// by it live in registers.
#pragma once

#include <type_traits>
#include <utility>

namespace r1 {

template <int n, class F>
[[gnu::always_inline]] inline void unroll(F f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, n>{});
}

}  // namespace r1
