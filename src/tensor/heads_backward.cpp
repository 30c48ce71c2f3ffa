// The gradients of heads.h.
#include <algorithm>
#include <vector>

#include "kernels/elementwise/elementwise.h"
#include "tensor/backward.h"
#include "tensor/heads.h"
#include "tensor/products.h"

namespace r1 {
namespace {

constexpr int64_t kWork = 16384;  // least elements of a range

// Some elements of every head: [first, first + n) of each head_dim.
struct Part {
  float* data;
  int64_t head_dim, first;
};

// to = from, or to += from, of n elements of every head of some rows. With one head of `to` for all
// of a row, heads are added in order.
void move_heads(Context& ctx, int64_t n_rows, int64_t n_heads, int64_t n, const Part& from,
                const Part& to, bool add, bool shared) {
  Add* sum = best(kAdd, ctx.isa());
  ctx.parallel(n_rows, std::max<int64_t>(1, kWork / (n_heads * n)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t h = begin * n_heads; h < end * n_heads; ++h) {
                   const float* x = from.data + h * from.head_dim + from.first;
                   float* y = to.data + (shared ? h / n_heads : h) * to.head_dim + to.first;
                   if (add || (shared && h % n_heads > 0)) {
                     sum(y, x, n, y);
                   } else {
                     std::copy_n(x, n, y);
                   }
                 }
               });
}

}  // namespace

void record_slice_heads(Context& ctx, const Tensor& x, int64_t head_dim, int64_t first, int64_t n,
                        const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, x, head_dim, first, n](const Tensor& dy) {
    const auto [dx, holds] = tape->sum_of(x);
    if (!holds) fill_zeros(ctx, dx);
    move_heads(ctx, x.rows(), x.cols() / head_dim, n, {dy.data(), n, 0},
               {dx.data(), head_dim, first}, true, false);
  });
}

void record_join_heads(Context& ctx, const Tensor& a, const Tensor& b, int64_t n_heads,
                       bool shared_b, const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  tape->record(y, [&ctx, tape, a, b, n_heads, shared_b](const Tensor& dy) {
    const int64_t dim = dy.cols() / n_heads, a_dim = a.cols() / n_heads, b_dim = dim - a_dim;
    const auto [da, a_holds] = tape->sum_of(a);
    move_heads(ctx, dy.rows(), n_heads, a_dim, {dy.data(), dim, 0}, {da.data(), a_dim, 0}, a_holds,
               false);
    const auto [db, b_holds] = tape->sum_of(b);
    move_heads(ctx, dy.rows(), n_heads, b_dim, {dy.data(), dim, a_dim}, {db.data(), b_dim, 0},
               b_holds, shared_b);
  });
}

void record_linear_heads(Context& ctx, const Tensor& x, std::span<const Weight> w,
                         const Tensor& y) {
  Tape* tape = ctx.tape();
  if (!tape) return;
  // Copies: those of low-rank updates are gathered for one call.
  tape->record(y, [&ctx, tape, x, w = std::vector<Weight>(w.begin(), w.end())](const Tensor& dy) {
    const int64_t rows = w[0].rows(), cols = w[0].cols();
    const bool shared = x.cols() == cols && w.size() > 1;
    const bool one_weight = w.size() > 1 && w[0].learns() && w[0].group(0) == w[1].group(0);
    const auto n_heads = std::ssize(w);
    const auto [dx, holds] = tape->sum_of(x);
    std::vector<GemmProduct> products;
    for (int64_t h = 0; h < n_heads; ++h) {
      const int64_t at = shared ? 0 : h * cols;
      const LinearGradient of_head{w[static_cast<size_t>(h)], x.data() + at, x.cols(),
                                   dy.data() + h * rows,      dy.cols(),     dy.rows()};
      const bool add = holds || (shared && h > 0);
      if (of_head.w.stored()) {
        of_head.through_stored(ctx, dx.data() + at, dx.cols(), add);
        continue;
      }
      of_head.by_w(products, *tape);
      of_head.by_x(products, dx.data() + at, dx.cols(), add);
      if (shared || one_weight || h + 1 == n_heads) {  // heads add to one gradient in turn
        multiply(ctx, products);
        products.clear();
      }
    }
  });
}

}  // namespace r1
