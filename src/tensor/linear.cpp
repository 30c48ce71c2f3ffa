// x W^T, of one weight or of several at once: x is prepared once for each kind of kernel, then the
// row groups of all are split over threads in one loop.
#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/elementwise/elementwise.h"
#include "kernels/swiglu/swiglu.h"
#include "tensor/backward.h"

namespace r1 {
namespace {

constexpr int64_t kWeightTile = 384 << 10;  // bytes of packed weights that stay in cache
constexpr int64_t kTokenTile = 64;
constexpr int64_t kRangeBytes = 16 << 10;   // least packed weights per thread range, times tokens
constexpr int64_t kPrepareElements = 8192;  // likewise, of activations

// One of the products of a loop.
struct Product {
  const Weight* w = nullptr;
  const float* bias = nullptr;
  Add* add = nullptr;
  std::shared_ptr<std::byte> prepared;  // x for w's kernel, [T][x_bytes]
  Tensor y;                             // [T, rows]

  const MatmulKernel& kernel() const { return w->kernel(); }
  int64_t x_bytes() const { return static_cast<int64_t>(kernel().activation_bytes(w->cols())); }
  int64_t n_rows(int64_t first, int64_t n) const { return std::min(n, w->rows() - first); }

  // Rows [first, first + n), n_rows of them, whole groups: for tokens [t, t + n_tokens).
  void multiply(int64_t first, int64_t n, int64_t t, int64_t n_tokens) const {
    const int64_t rows = w->rows(), group = kernel().row_group;
    n = n_rows(first, n);
    float* out = y.data() + t * rows + first;
    kernel().multiply(w->group(first / group), (n + group - 1) / group, n, w->cols(),
                      prepared.get() + t * x_bytes(), n_tokens, out, rows);
    for (int64_t i = 0; bias && i < n_tokens; ++i)
      add(out + i * rows, bias + first, n, out + i * rows);
  }
};

using Products = std::array<Product, kMostLinear>;

// Products without their values: with memory for them, and with x prepared.
std::span<const Product> prepare(Context& ctx, const Tensor& x, std::span<const Affine> layers,
                                 Products& products) {
  R1_CHECK(layers.size() <= kMostLinear);
  std::array<const Product*, kMostLinear> kinds;
  size_t n = 0, n_kinds = 0;
  for (const auto& [w, bias] : layers) {
    R1_CHECK(x.cols() == w.cols() && (!bias || bias.size() == w.rows()));
    Product& p = products[n++];
    p = {&w, bias.data(), best(kAdd, ctx.isa()), nullptr, ctx.tensor(x.rows(), w.rows())};
    const auto same = std::find_if(kinds.begin(), kinds.begin() + n_kinds, [&](const Product* k) {
      return k->kernel().prepare == p.kernel().prepare;
    });
    if (same != kinds.begin() + n_kinds) {
      p.prepared = (*same)->prepared;
    } else {
      p.prepared = ctx.scratch(static_cast<size_t>(x.rows() * p.x_bytes()));
      kinds[n_kinds++] = &p;
    }
  }
  const int64_t grain = std::max<int64_t>(1, kPrepareElements / x.cols());
  ctx.parallel(x.rows(), grain, [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < n_kinds; ++i) {
      const Product& p = *kinds[i];
      for (int64_t t = begin; t < end; ++t)
        p.kernel().prepare(x.row(t).data(), x.cols(), p.prepared.get() + t * p.x_bytes());
    }
  });
  return std::span(products).first(n);
}

// Calls body(first, n, t, n_tokens) for tiles of the rows and tokens; n <= `tile` once there are
// tiles of tokens.
template <class Body>
void for_tiles(int64_t begin, int64_t end, int64_t tile, int64_t n_tokens, const Body& body) {
  if (n_tokens <= kTokenTile) tile = end - begin;
  for (int64_t first = begin; first < end; first += tile) {
    for (int64_t t = 0; t < n_tokens; t += kTokenTile)
      body(first, std::min(tile, end - first), t, std::min(kTokenTile, n_tokens - t));
  }
}

// Blocks of rows, of `bytes` packed each, that make a tile or a thread's least range: at least the
// two that kernels multiply together.
int64_t blocks_of(int64_t wanted, int64_t bytes) { return std::max<int64_t>(2, wanted / bytes); }

}  // namespace

void linear(Context& ctx, const Tensor& x, std::span<const Affine> layers, std::span<Tensor> y) {
  R1_CHECK(layers.size() == y.size());
  Products memory;
  const auto products = prepare(ctx, x, layers, memory);
  const int64_t n_tokens = x.rows();
  int64_t n_groups = 0, group_bytes = 1;
  for (const Product& p : products) {
    n_groups += p.w->n_groups();
    group_bytes = std::max(group_bytes, static_cast<int64_t>(p.w->group_bytes()));
  }
  const int64_t least = blocks_of(kRangeBytes, group_bytes * std::max<int64_t>(1, n_tokens));
  ctx.parallel(n_groups, least, [&](int64_t begin, int64_t end) {
    for (const Product& p : products) {
      const int64_t n = p.w->n_groups(), group = p.kernel().row_group;
      const int64_t from = std::max<int64_t>(begin, 0), to = std::min(end, n);
      if (from < to) p.multiply(from * group, (to - from) * group, 0, n_tokens);
      begin -= n;
      end -= n;
    }
  });
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = std::move(memory[i].y);
    record_linear(ctx, x, layers[i].w, layers[i].bias, y[i]);
  }
  for (size_t i = 0; i < y.size(); ++i) {
    const Weight::Lora* lora = layers[i].w.lora();
    if (!lora) continue;
    const Tensor low = scale(ctx, linear(ctx, x, *lora->a()), lora->scale);  // [T, r]
    y[i] = add(ctx, y[i], linear(ctx, low, *lora->b()));
  }
}

Tensor linear(Context& ctx, const Tensor& x, const Weight& w, const Tensor& bias) {
  return linear(ctx, x, {{w, bias}})[0];
}

Tensor swiglu(Context& ctx, const Tensor& x, const Affine& gate, const Affine& up) {
  R1_CHECK(gate.w.rows() == up.w.rows());
  if (ctx.tape() || gate.w.lora() || up.w.lora()) {  // both products are wanted
    const auto [g, u] = linear(ctx, x, {gate, up});
    return swiglu(ctx, g, u);
  }
  Products memory;
  const Affine layers[] = {gate, up};
  const auto products = prepare(ctx, x, layers, memory);
  const Product &g = products[0], &u = products[1];
  SwiGlu* run = best(kSwiGlu, ctx.isa());
  const int64_t n_tokens = x.rows(), rows = gate.w.rows();
  const int64_t block = std::lcm(g.kernel().row_group, u.kernel().row_group);
  const auto block_bytes =
      static_cast<int64_t>(gate.w.group_bytes()) * block / g.kernel().row_group +
      static_cast<int64_t>(up.w.group_bytes()) * block / u.kernel().row_group;
  const int64_t least = blocks_of(kRangeBytes, block_bytes * std::max<int64_t>(1, n_tokens));
  const int64_t tile = blocks_of(kWeightTile, block_bytes) * block;
  ctx.parallel((rows + block - 1) / block, least, [&](int64_t begin, int64_t end) {
    for_tiles(begin * block, end * block, tile, n_tokens,
              [&](int64_t first, int64_t n, int64_t t, int64_t n_t) {
                g.multiply(first, n, t, n_t);
                u.multiply(first, n, t, n_t);
                for (int64_t i = t; i < t + n_t; ++i) {
                  float* y = g.y.data() + i * rows + first;
                  run(y, u.y.data() + i * rows + first, g.n_rows(first, n), y);
                }
              });
  });
  return memory[0].y;
}

}  // namespace r1
