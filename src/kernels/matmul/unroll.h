// unroll<n>(f): f(0), f(1), ... f(n - 1) written out, each index a constant, so that arrays indexed
// by it live in registers.
#pragma once

#include <type_traits>
#include <utility>

// For lambdas and functions of inner loops: a call there would spill every register.
#define R1_INLINE __attribute__((always_inline))

namespace r1 {

template <int n, class F>
R1_INLINE inline void unroll(F f) {
  [&]<int... i>(std::integer_sequence<int, i...>) R1_INLINE {
    (f(std::integral_constant<int, i>{}), ...);
  }
  (std::make_integer_sequence<int, n>{});
}

}  // namespace r1
