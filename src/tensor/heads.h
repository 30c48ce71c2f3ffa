// Operations on the heads of a row, [T, n_heads * head_dim]: what latent attention needs beyond
// ops.h. Pure, and split by rows and heads (law 1).
#pragma once

#include <cstdint>
#include <span>

#include "tensor/context.h"
#include "tensor/weight.h"

namespace r1 {

// Elements [first, first + n) of every head of x [T, n_heads * head_dim] -> [T, n_heads * n].
Tensor slice_heads(Context& ctx, const Tensor& x, int64_t head_dim, int64_t first, int64_t n);

// [a_h ; b_h] of every head: a [T, n_heads * a_dim], b [T, n_heads * b_dim]; or b [T, b_dim], one
// for all heads (shared_b) -> [T, n_heads * (a_dim + b_dim)].
Tensor join_heads(Context& ctx, const Tensor& a, const Tensor& b, int64_t n_heads,
                  bool shared_b = false);

// y_h = x_h w_h^T: w of n_heads matrices [rows, cols]; x [T, n_heads * cols], or [T, cols], one for
// all heads -> [T, n_heads * rows].
Tensor linear_heads(Context& ctx, const Tensor& x, std::span<const Weight> w);

}  // namespace r1
