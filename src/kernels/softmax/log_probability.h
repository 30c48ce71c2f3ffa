// The log-probability of a token under logits z [vocab]: z_token - log sum e^z, and its gradient,
// dz_i = dy ((i == token) - p_i). Float and double. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

namespace r1 {

template <class T>
T log_probability(const T* logits, int64_t vocab, int32_t token);

template <class T>
void log_probability_backward(const T* logits, int64_t vocab, int32_t token, T dy, T* dlogits);

}  // namespace r1
