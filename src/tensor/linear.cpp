// x W^T: activations are prepared once, then row groups are split over threads. Within a thread, a
// tile of row groups that fits the cache meets tile after tile of tokens; with one tile of tokens
// the groups are walked in one go.
#include <algorithm>

#include "kernels/elementwise/elementwise.h"
#include "tensor/ops.h"

namespace r1 {
namespace {

constexpr int64_t kWeightTile =
    128 << 10;  // bytes of packed weights, half of a small second-level cache
constexpr int64_t kTokenTile = 64;
constexpr int64_t kRangeBytes = 16 << 10;  // least packed weights per thread range, times tokens

}  // namespace

Tensor linear(Context& ctx, const Tensor& x, const Weight& w, const Tensor& bias) {
  R1_CHECK(x.cols() == w.cols() && (!bias || bias.size() == w.rows()));
  const MatmulKernel& kernel = w.kernel();
  const int64_t n_tokens = x.rows(), rows = w.rows(), cols = w.cols();
  const auto x_bytes = static_cast<int64_t>(kernel.activation_bytes(cols));
  const auto prepared = ctx.scratch(static_cast<size_t>(n_tokens * x_bytes));
  ctx.parallel(n_tokens, std::max<int64_t>(1, 8192 / cols), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      kernel.prepare(x.row(t).data(), cols, prepared.get() + t * x_bytes);
  });

  Tensor y = ctx.tensor(n_tokens, rows);
  Add* add = best(kAdd, ctx.isa());
  const auto group_bytes = static_cast<int64_t>(w.group_bytes());
  const int64_t group_tile =
      n_tokens <= kTokenTile ? w.n_groups() : std::max<int64_t>(1, kWeightTile / group_bytes);
  const int64_t least =
      std::max<int64_t>(1, kRangeBytes / (group_bytes * std::max<int64_t>(1, n_tokens)));
  ctx.parallel(w.n_groups(), least, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; g += group_tile) {
      const int64_t n_groups = std::min(group_tile, end - g);
      const int64_t first = g * kernel.row_group,
                    n_rows = std::min(rows - first, n_groups * kernel.row_group);
      for (int64_t t = 0; t < n_tokens; t += kTokenTile) {
        const int64_t n = std::min(kTokenTile, n_tokens - t);
        float* out = y.data() + t * rows + first;
        kernel.multiply(w.group(g), n_groups, n_rows, cols, prepared.get() + t * x_bytes, n, out,
                        rows);
        for (int64_t i = 0; bias && i < n; ++i)
          add(out + i * rows, bias.data() + first, n_rows, out + i * rows);
      }
    }
  });
  return y;
}

}  // namespace r1
