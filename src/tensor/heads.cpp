#include "tensor/heads.h"

#include <algorithm>
#include <vector>

#include "tensor/backward.h"
#include "tensor/ops.h"
#include "tensor/products.h"

namespace r1 {
namespace {

constexpr int64_t kWork = 16384;  // least elements of a range

int64_t grain(int64_t cols) { return std::max<int64_t>(1, kWork / std::max<int64_t>(1, cols)); }

}  // namespace

Tensor slice_heads(Context& ctx, const Tensor& x, int64_t head_dim, int64_t first, int64_t n) {
  R1_CHECK(x.cols() % head_dim == 0 && first >= 0 && first + n <= head_dim);
  const int64_t n_heads = x.cols() / head_dim;
  Tensor y = ctx.tensor(x.rows(), n_heads * n);
  ctx.parallel(x.rows(), grain(y.cols()), [&](int64_t begin, int64_t end) {
    for (int64_t h = begin * n_heads; h < end * n_heads; ++h)
      std::copy_n(x.data() + h * head_dim + first, n, y.data() + h * n);
  });
  record_slice_heads(ctx, x, head_dim, first, n, y);
  return y;
}

Tensor join_heads(Context& ctx, const Tensor& a, const Tensor& b, int64_t n_heads, bool shared_b) {
  const int64_t b_heads = shared_b ? 1 : n_heads;
  R1_CHECK(a.rows() == b.rows() && a.cols() % n_heads == 0 && b.cols() % b_heads == 0);
  const int64_t a_dim = a.cols() / n_heads, b_dim = b.cols() / b_heads;
  Tensor y = ctx.tensor(a.rows(), n_heads * (a_dim + b_dim));
  ctx.parallel(a.rows(), grain(y.cols()), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* to = y.row(t).data();
      for (int64_t h = 0; h < n_heads; ++h) {
        to = std::copy_n(a.row(t).data() + h * a_dim, a_dim, to);
        to = std::copy_n(b.row(t).data() + (shared_b ? 0 : h * b_dim), b_dim, to);
      }
    }
  });
  record_join_heads(ctx, a, b, n_heads, shared_b, y);
  return y;
}

Tensor linear_heads(Context& ctx, const Tensor& x, std::span<const Weight> w) {
  const auto n_heads = std::ssize(w);
  const int64_t rows = w[0].rows(), cols = w[0].cols(), n_tokens = x.rows();
  const bool shared = x.cols() == cols && n_heads > 1;
  R1_CHECK(shared || x.cols() == n_heads * cols);
  const auto bytes = static_cast<int64_t>(w[0].kernel().activation_bytes(cols));
  Tensor y = ctx.tensor(n_tokens, n_heads * rows);

  // Prepared head by head, so that the tokens of one head lie together.
  const int64_t n_prepared = shared ? 1 : n_heads;
  const auto prepared = ctx.scratch(static_cast<size_t>(n_prepared * n_tokens * bytes));
  ctx.parallel(n_prepared * n_tokens, std::max<int64_t>(1, 8192 / cols),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t head = i / n_tokens, t = i % n_tokens;
                   w[static_cast<size_t>(head)].kernel().prepare(x.row(t).data() + head * cols,
                                                                 cols, prepared.get() + i * bytes);
                 }
               });
  std::vector<Product> products;
  for (int64_t h = 0; h < n_heads; ++h) {
    const Weight& of_head = w[static_cast<size_t>(h)];
    R1_CHECK(of_head.rows() == rows && of_head.cols() == cols &&
             &of_head.kernel() == &w[0].kernel());
    products.push_back({&of_head, prepared.get() + (shared ? 0 : h * n_tokens * bytes), n_tokens,
                        y.data() + h * rows, y.cols()});
  }
  multiply(ctx, products);
  record_linear_heads(ctx, x, w, y);
  if (!w[0].lora()) return y;
  std::vector<Weight> a, b;
  for (const Weight& of_head : w) {
    a.push_back(*of_head.lora()->a());
    b.push_back(*of_head.lora()->b());
  }
  const Tensor low = scale(ctx, linear_heads(ctx, x, a), w[0].lora()->scale);  // [T, n_heads * r]
  return add(ctx, y, linear_heads(ctx, low, b));
}

}  // namespace r1
