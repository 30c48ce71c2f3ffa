// Many matrix products at once: one parallel loop over the row groups of all of them, so that the
// threads finish together and wait once. Each is what linear() computes: y depends on its row of
// the weight and its token alone (law 1).
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/gemm/gemm.h"
#include "tensor/context.h"
#include "tensor/weight.h"

namespace r1 {

struct Product {
  const Weight* w;
  const std::byte* x;  // n_tokens, prepared for w's kernel, one after another
  int64_t n_tokens;
  float* y;  // y[t * y_stride + row]
  int64_t y_stride;
};

void multiply(Context& ctx, std::span<const Product> products);

// The same of gradients' products. No two write the same c.
void multiply(Context& ctx, std::span<const GemmProduct> products);

// Rows for a kernel: row i is read at x + i * x_stride, [cols].
std::shared_ptr<std::byte> prepare(Context& ctx, const MatmulKernel& kernel, const float* x,
                                   int64_t n_rows, int64_t x_stride, int64_t cols);

}  // namespace r1
