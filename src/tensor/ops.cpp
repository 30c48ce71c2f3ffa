// Each op: check shapes, take memory, choose the kernel, split the work. A range of the split is at
// least kWork elements, so that small tensors are done by the calling thread alone.
#include "tensor/ops.h"

#include <algorithm>

#include "kernels/elementwise/elementwise.h"
#include "kernels/norm/norm.h"
#include "kernels/softmax/log_probability.h"
#include "kernels/swiglu/swiglu.h"
#include "tensor/backward.h"

namespace r1 {
namespace {

constexpr int64_t kWork = 16384;

int64_t grain(int64_t elements_per_row) {
  return std::max<int64_t>(1, kWork / std::max<int64_t>(1, elements_per_row));
}

// A binary kernel over all elements of two tensors of one shape.
template <class Run>
Tensor elementwise(Context& ctx, Run* run, const Tensor& a, const Tensor& b) {
  R1_CHECK(a.rows() == b.rows() && a.cols() == b.cols());
  Tensor y = ctx.tensor(a.rows(), a.cols());
  ctx.parallel(a.size(), kWork, [&](int64_t begin, int64_t end) {
    run(a.data() + begin, b.data() + begin, end - begin, y.data() + begin);
  });
  return y;
}

}  // namespace

Tensor embed(Context& ctx, const StoredMatrix& table, std::span<const int32_t> tokens) {
  const auto n = static_cast<int64_t>(tokens.size());
  Tensor y = ctx.tensor(n, table.cols);
  for (const int32_t token : tokens) R1_CHECK(token >= 0 && token < table.rows);
  ctx.parallel(n, grain(table.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      table.decode_row(tokens[static_cast<size_t>(i)], y.row(i).data());
  });
  record_embed(ctx, table, tokens, y);
  return y;
}

Tensor rows(Context& ctx, const Tensor& x, std::span<const int32_t> index) {
  Tensor y = ctx.tensor(static_cast<int64_t>(index.size()), x.cols());
  ctx.parallel(y.rows(), grain(x.cols()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto row = x.row(index[static_cast<size_t>(i)]);
      std::copy(row.begin(), row.end(), y.row(i).begin());
    }
  });
  record_rows(ctx, x, index, y);
  return y;
}

Tensor rms_norm(Context& ctx, const Tensor& x, const Tensor& w, double eps) {
  const int64_t cols = w.cols();
  R1_CHECK(w.rows() == 1 && cols > 0 && x.cols() % cols == 0);
  RmsNorm* run = best(kRmsNorm, ctx.isa());
  Tensor y = ctx.tensor(x.rows(), x.cols());
  ctx.parallel(x.size() / cols, grain(cols), [&](int64_t begin, int64_t end) {
    run(x.data() + begin * cols, w.data(), static_cast<float>(eps), end - begin, cols,
        y.data() + begin * cols);
  });
  record_rms_norm(ctx, x, w, eps, y);
  return y;
}

Tensor add(Context& ctx, const Tensor& a, const Tensor& b) {
  Tensor y = elementwise(ctx, best(kAdd, ctx.isa()), a, b);
  record_add(ctx, a, b, y);
  return y;
}

Tensor scale(Context& ctx, const Tensor& x, float factor) {
  Tensor y = ctx.tensor(x.rows(), x.cols());
  for (int64_t i = 0; i < x.size(); ++i) y.data()[i] = factor * x.data()[i];
  record_scale(ctx, x, factor, y);
  return y;
}

Tensor swiglu(Context& ctx, const Tensor& gate, const Tensor& up) {
  Tensor y = elementwise(ctx, best(kSwiGlu, ctx.isa()), gate, up);
  record_swiglu(ctx, gate, up, y);
  return y;
}

Tensor rope(Context& ctx, const Tensor& x, const RopeAngles& angles, int64_t head_dim,
            int64_t first) {
  const int64_t n_pairs = angles.cos.cols(), n_heads = x.cols() / head_dim;
  R1_CHECK(angles.cos.rows() == x.rows() && x.cols() % head_dim == 0);
  R1_CHECK(first >= 0 && first + 2 * n_pairs <= head_dim);
  Rope* run = best(kRope, ctx.isa());
  Tensor y = ctx.tensor(x.rows(), x.cols());
  ctx.parallel(x.rows(), grain(x.cols()), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto rotate = [&](const float* from, int64_t heads, int64_t dim, float* to) {
        run(from, angles.cos.row(t).data(), angles.sin.row(t).data(), angles.layout, heads, dim,
            n_pairs, to);
      };
      const float* from = x.row(t).data();
      float* to = y.row(t).data();
      if (first == 0) {
        rotate(from, n_heads, head_dim, to);
        continue;
      }
      for (int64_t head = 0; head < n_heads; ++head, from += head_dim, to += head_dim) {
        std::copy_n(from, first, to);
        rotate(from + first, 1, head_dim - first, to + first);
      }
    }
  });
  record_rope(ctx, x, angles, head_dim, first, y);
  return y;
}

Tensor log_probability(Context& ctx, const Tensor& logits, std::span<const int32_t> tokens) {
  R1_CHECK(logits.rows() == std::ssize(tokens));
  LogProbability* run = best(kLogProbability, ctx.isa());
  Tensor y = ctx.tensor(logits.rows(), 1);
  ctx.parallel(y.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int32_t token = tokens[static_cast<size_t>(t)];
      R1_CHECK(token >= 0 && token < logits.cols());
      y.row(t)[0] = run(logits.row(t).data(), logits.cols(), token);
    }
  });
  record_log_probability(ctx, logits, tokens, y);
  return y;
}

}  // namespace r1
