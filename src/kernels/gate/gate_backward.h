// The gradient of the gate's weights (gate.h) by the logits; which experts were chosen is constant:
//   w_k = scale s_k / z with z = sum of the chosen s (norm) or 1;
//   ds_k = scale (dw_k - sum_j dw_j s_j / z) / z (norm), scale dw_k else;
//   sigmoid: dl_i = ds_i s_i (1 - s_i);  softmax: dl_i = s_i (ds_i - sum_j ds_j s_j).
// Float and double. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/gate/gate.h"

namespace r1 {

// logits, dlogits [n_experts]; experts, dweights [n_used]. dlogits is written.
template <class T>
void gate_backward(const Gate& g, const T* logits, const int32_t* experts, const T* dweights,
                   T* dlogits);

}  // namespace r1
