// The log-probability of a token under logits z [vocab]: z_token - log sum e^z, and its gradient,
// dz_i = dy ((i == token) - p_i). Float and double. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

namespace r1 {

template <class T>
T log_probability(const T* logits, int64_t vocab, int32_t token);

// dlogits may be logits.
template <class T>
void log_probability_backward(const T* logits, int64_t vocab, int32_t token, T dy, T* dlogits);

// log_probability.cpp is the definition; others: within 1e-6 of it, the gradient times |dy|.
using LogProbability = float(const float* logits, int64_t vocab, int32_t token);
using LogProbabilityBackward = void(const float* logits, int64_t vocab, int32_t token, float dy,
                                    float* dlogits);

LogProbability log_probability_avx2, log_probability_avx512;
LogProbabilityBackward log_probability_backward_avx2, log_probability_backward_avx512;

inline constexpr Variant<LogProbability> kLogProbability[] = {
    {Isa::kRef, log_probability<float>},
    {Isa::kAvx2, log_probability_avx2},
    {Isa::kAvx512, log_probability_avx512}};
inline constexpr Variant<LogProbabilityBackward> kLogProbabilityBackward[] = {
    {Isa::kRef, log_probability_backward<float>},
    {Isa::kAvx2, log_probability_backward_avx2},
    {Isa::kAvx512, log_probability_backward_avx512}};

}  // namespace r1
