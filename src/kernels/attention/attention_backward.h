// The gradient of causal attention of the query heads that share one key/value head, over one whole
// sequence of n positions. With s_tj = scale q_t.k_j, p_t = softmax over j <= t, y_t = sum p_tj
// v_j:
//   dp_tj = dy_t.v_j;  ds_tj = p_tj (dp_tj - sum_i p_ti dp_ti) scale;
//   dq_t = sum_j ds_tj k_j;  dk_j = sum_t ds_tj q_t;  dv_j = sum_t p_tj dy_t.
// Float and double. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

namespace r1 {

// Rows of n positions, `stride` elements apart: of q and dq [n_heads * k_dim used], of k, v, y.
template <class T>
struct AttentionGradient {
  int64_t n = 0, n_heads = 0, k_dim = 0, v_dim = 0;
  T scale = 1;
  const T *q, *k, *v, *dy;
  T *dq, *dk, *dv;                                 // dq is written; dk and dv are added to
  int64_t q_stride, k_stride, v_stride, y_stride;  // of the gradients likewise
};

// scratch: 2 n elements.
template <class T>
void attention_backward(const AttentionGradient<T>& a, T* scratch);

}  // namespace r1
