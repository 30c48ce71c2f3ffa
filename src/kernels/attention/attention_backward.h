// The gradient of causal attention of the query heads that share one key/value head, over one whole
// sequence of n positions. With s_tj = scale q_t.k_j, p_t = softmax over j <= t, y_t = sum p_tj
// v_j:
//   dp_tj = dy_t.v_j;  ds_tj = p_tj (dp_tj - sum_i p_ti dp_ti) scale;
//   dq_t = sum_j ds_tj k_j;  dk_j = sum_t ds_tj q_t;  dv_j = sum_t p_tj dy_t.
// attention_backward.cpp is the definition, in float and double; of float there are others: |d -
// ref|
// <= 1e-5 max |ref|. All sums have one order. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

#include "kernels/variants.h"

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

constexpr int64_t kGradientTile = 32;  // queries whose gradients are found together

// Floats from one row of a tile to the next: whole registers, and no power of two.
constexpr int64_t attention_gradient_stride(int64_t n) { return (n + 15) / 16 * 16 + 16; }

constexpr int64_t attention_backward_scratch(int64_t n, int64_t k_dim, int64_t v_dim) {
  return (k_dim + v_dim + 2 * kGradientTile) * attention_gradient_stride(n);
}

// scratch: attention_backward_scratch floats.
using AttentionBackward = void(const AttentionGradient<float>& a, float* scratch);

AttentionBackward attention_backward_avx2, attention_backward_avx512;

inline constexpr Variant<AttentionBackward> kAttentionBackward[] = {
    {Isa::kRef, attention_backward<float>},
    {Isa::kAvx2, attention_backward_avx2},
    {Isa::kAvx512, attention_backward_avx512}};

}  // namespace r1
