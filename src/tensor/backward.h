// The gradients of ops.h: each function notes on the open tape how an op's gradient flows to its
// inputs. All sums have one order, whatever the threads: the same batch gives the same gradients,
// bit for bit.
#pragma once

#include <span>
#include <vector>

#include "kernels/gemm/gemm.h"
#include "tensor/ops.h"
#include "tensor/tape.h"

namespace r1 {

// The products that the gradient of y = x W^T is: rows of x and y, `stride` elements apart.
struct LinearGradient {
  const Weight& w;
  const float* x;
  int64_t x_stride;
  const float* dy;
  int64_t dy_stride, n_rows;

  // dx = dy W, or dx +=; and dW += dy^T x, where W learns. Both in the weight's type: of BF16,
  // operands are rounded to it, and W is the values that were multiplied.
  void by_x(std::vector<GemmProduct>& to, float* dx, int64_t dx_stride, bool add) const;
  void by_w(std::vector<GemmProduct>& to, const Tape& tape) const;
  // dx of a weight that does not learn (Weight::stored): by its exact values, a block of rows at a
  // time, in order.
  void through_stored(Context& ctx, float* dx, int64_t dx_stride, bool add) const;
};

void fill_zeros(Context& ctx, const Tensor& x);

// to[index[i]] += x[i], rows in order: x [n, cols], to [n_rows, cols].
void add_rows(Context& ctx, const Tensor& x, std::span<const int32_t> index, float* to,
              int64_t n_rows);

// The gradients of silu(gate) * up, of one shape with dy.
struct SwigluGradient {
  Tensor gate, up;
};
SwigluGradient swiglu_gradient(Context& ctx, const Tensor& gate, const Tensor& up,
                               const Tensor& dy);

void record_embed(Context& ctx, const StoredMatrix& table, std::span<const int32_t> tokens,
                  const Tensor& y);
void record_rows(Context& ctx, const Tensor& x, std::span<const int32_t> index, const Tensor& y);
void record_rms_norm(Context& ctx, const Tensor& x, const Tensor& w, double eps, const Tensor& y);
void record_linear(Context& ctx, const Tensor& x, const Weight& w, const Tensor& bias,
                   const Tensor& y);
void record_add(Context& ctx, const Tensor& a, const Tensor& b, const Tensor& y);
void record_scale(Context& ctx, const Tensor& x, float factor, const Tensor& y);
void record_swiglu(Context& ctx, const Tensor& gate, const Tensor& up, const Tensor& y);
void record_rope(Context& ctx, const Tensor& x, const RopeAngles& angles, int64_t head_dim,
                 int64_t first, const Tensor& y);
// Sequences must start at position 0: the keys and values are all of this forward. That the cache
// rounds them is passed over (straight-through).
void record_attention(Context& ctx, const Tensor& q, int64_t n_heads, int layer,
                      std::span<const SequenceRows> sequences, double scale, const Tensor& y);
void record_slice_heads(Context& ctx, const Tensor& x, int64_t head_dim, int64_t first, int64_t n,
                        const Tensor& y);
void record_join_heads(Context& ctx, const Tensor& a, const Tensor& b, int64_t n_heads,
                       bool shared_b, const Tensor& y);
void record_linear_heads(Context& ctx, const Tensor& x, std::span<const Weight> w, const Tensor& y);
void record_log_probability(Context& ctx, const Tensor& logits, std::span<const int32_t> tokens,
                            const Tensor& y);

}  // namespace r1
