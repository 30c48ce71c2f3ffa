// The gradients of heads.h.
#include <algorithm>
#include <vector>

#include "tensor/backward.h"
#include "tensor/heads.h"
#include "tensor/products.h"

namespace r1 {
namespace {

// The sum of all heads: x [T, n_heads * dim] -> [T, dim].
Tensor sum_heads(Context& ctx, const Tensor& x, int64_t dim) {
  const Tensor y = ctx.tensor(x.rows(), dim);
  const int64_t n_heads = x.cols() / dim;
  std::fill_n(y.data(), y.size(), 0.0f);
  ctx.parallel(x.rows(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* to = y.row(t).data();
      for (int64_t h = 0; h < n_heads; ++h) {
        for (int64_t i = 0; i < dim; ++i) to[i] += x.row(t).data()[h * dim + i];
      }
    }
  });
  return y;
}

}  // namespace

void record_slice_heads(Context& ctx, const Tensor& x, int64_t head_dim, int64_t first, int64_t n,
                        const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, head_dim, first, n](const Tensor& dy) {
    const Tensor dx = ctx.tensor(x.rows(), x.cols());
    std::fill_n(dx.data(), dx.size(), 0.0f);
    for (int64_t h = 0; h < x.size() / head_dim; ++h)
      std::copy_n(dy.data() + h * n, n, dx.data() + h * head_dim + first);
    tape->add(x, dx);
  });
}

void record_join_heads(Context& ctx, const Tensor& a, const Tensor& b, int64_t n_heads,
                       bool shared_b, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, a, b, n_heads, shared_b](const Tensor& dy) {
    const int64_t dim = dy.cols() / n_heads, a_dim = a.cols() / n_heads;
    tape->add(a, slice_heads(ctx, dy, dim, 0, a_dim));
    const Tensor db = slice_heads(ctx, dy, dim, a_dim, dim - a_dim);
    tape->add(b, shared_b ? sum_heads(ctx, db, dim - a_dim) : db);
  });
}

void record_linear_heads(Context& ctx, const Tensor& x, std::span<const Weight> w,
                         const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, w](const Tensor& dy) {
    const int64_t rows = w[0].rows(), cols = w[0].cols();
    const bool shared = x.cols() == cols && w.size() > 1;
    const auto n_heads = std::ssize(w);
    const auto [dx, holds] = tape->sum_of(x);
    std::vector<GemmProduct> products;
    for (int64_t h = 0; h < n_heads; ++h) {
      const int64_t at = shared ? 0 : h * cols;
      const LinearGradient of_head{w[static_cast<size_t>(h)], x.data() + at, x.cols(),
                                   dy.data() + h * rows,      dy.cols(),     dy.rows()};
      of_head.by_w(products, *tape);
      of_head.by_x(products, dx.data() + at, dx.cols(), holds || (shared && h > 0));
      if (shared || h + 1 == n_heads) {  // heads add to one gradient one after another
        multiply(ctx, products);
        products.clear();
      }
    }
  });
}

}  // namespace r1
