// The one vocabulary models are written in. Every op is a pure function of its inputs (kv_append
// alone writes, into the cache); it picks its kernel by the context's instruction set and splits
// rows, heads or tokens over its threads, never a sum (law 1). T is the number of rows of a batch.
// Shapes are checked with R1_CHECK: a model binds them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/rope/rope.h"
#include "tensor/context.h"
#include "tensor/kv_pages.h"
#include "tensor/tensor.h"
#include "tensor/weight.h"

namespace r1 {

// Rows `tokens` of a table [vocab, dim] -> [T, dim]. Tokens must be rows of the table.
Tensor embed(Context& ctx, const StoredMatrix& table, std::span<const int32_t> tokens);

// Rows `index` of x [n, cols] -> [len(index), cols].
Tensor rows(Context& ctx, const Tensor& x, std::span<const int32_t> index);

// RMSNorm of every run of len(w) elements: x [T, dim], w [1, dim] normalises rows; w [1, head_dim]
// each head of a row.
Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& w, double eps);

// x [T, cols], w [rows, cols], bias [1, rows] or none -> x w^T + bias [T, rows]; of a weight with a
// low-rank update (Weight::Lora) that is added.
Tensor linear(Context& ctx, const Tensor& x, const Weight& w, const Tensor& bias = {});

// Several of one x at once, bit for bit the same: x is prepared once, threads meet once.
//   auto [q, k, v] = linear(ctx, x, {{wq, bq}, {wk, bk}, {wv, bv}});
struct Affine {
  const Weight& w;
  const Tensor& bias;
};
constexpr size_t kMostLinear = 4;
void linear(Context& ctx, const Tensor& x, std::span<const Affine> layers, std::span<Tensor> y);
template <size_t n>
std::array<Tensor, n> linear(Context& ctx, const Tensor& x, const Affine (&layers)[n]) {
  std::array<Tensor, n> y;
  linear(ctx, x, layers, y);
  return y;
}

// a + b, of one shape.
Tensor add(Context& ctx, const Tensor& a, const Tensor& b);

// factor * x.
Tensor scale(Context& ctx, const Tensor& x, float factor);

// silu(gate) * up, of one shape.
Tensor swiglu(Context& ctx, const Tensor& gate, const Tensor& up);

// swiglu(gate x, up x), bit for bit, while the products are in the cache.
Tensor swiglu(Context& ctx, const Tensor& x, const Affine& gate, const Affine& up);

// The angles of a batch's rows.
struct RopeAngles {
  Tensor cos, sin;  // [T, n_pairs]
  RopeLayout layout = RopeLayout::kHalves;
};

// x [T, n * head_dim]: elements [first, first + 2 n_pairs) of every head rotated by its row's
// angles.
Tensor rope(Context& ctx, const Tensor& x, const RopeAngles& angles, int64_t head_dim,
            int64_t first = 0);

// Writes keys k [T, n_kv_heads * k_dim] and values v [T, n_kv_heads * v_dim] of a layer at their
// rows' positions. Latent pages (KvShape::latent) take no values.
void kv_append(Context& ctx, const KvPages& kv, int layer, std::span<const SequenceRows> sequences,
               const Tensor& k, const Tensor& v = {});

// Causal attention of q [T, n_heads * k_dim] to each row's own sequence -> [T, n_heads * v_dim].
// Heads [i n, (i + 1) n), n = n_heads / n_kv_heads, share key/value head i (Ainslie et al. 2023).
Tensor attention(Context& ctx, const Tensor& q, int64_t n_heads, const KvPages& kv, int layer,
                 std::span<const SequenceRows> sequences, double scale);

// log softmax(logits [T, vocab]) at one token a row -> [T, 1].
Tensor log_probability(Context& ctx, const Tensor& logits, std::span<const int32_t> tokens);

}  // namespace r1
