// The gradient of SwiGLU's gate, y = silu(gate) up with s = 1 / (1 + e^-gate):
//   dgate = dy up s (1 + gate (1 - s));   dup = dy gate s.
// Float and double, over n elements. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

namespace r1 {

template <class T>
void swiglu_backward(const T* gate, const T* up, const T* dy, int64_t n, T* dgate, T* dup);

}  // namespace r1
