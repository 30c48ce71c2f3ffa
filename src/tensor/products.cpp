#include "tensor/products.h"

#include <algorithm>
#include <vector>

namespace r1 {
namespace {

constexpr int64_t kLeastWork = 64 << 10;  // bytes of packed weights times tokens: of an item
constexpr int64_t kItemsPerThread = 16;

// Row groups [begin, end) of a product.
struct Item {
  const Product* product;
  int64_t begin, end;
};

// A group's time: its bytes once from memory, then a pass over them for every few tokens.
int64_t cost(const Product& p) {
  return static_cast<int64_t>(p.w->group_bytes()) * (4 + p.n_tokens);
}

std::vector<Item> split(std::span<const Product> products, int n_threads) {
  int64_t total = 0;
  for (const Product& p : products) total += p.w->n_groups() * cost(p);
  const int64_t most = std::max(kLeastWork, total / (n_threads * kItemsPerThread));
  std::vector<Item> items;
  for (const Product& p : products) {
    int64_t n = std::max<int64_t>(1, most / cost(p));
    if (p.n_tokens > 1) n = (n + 1) / 2 * 2;  // kernels share activations between two groups
    for (int64_t g = 0; g < p.w->n_groups(); g += n)
      items.push_back({&p, g, std::min(g + n, p.w->n_groups())});
  }
  return items;
}

void run(const Item& item) {
  const Product& p = *item.product;
  const Weight& w = *p.w;
  const MatmulKernel& kernel = w.kernel();
  const int64_t first = item.begin * kernel.row_group;
  const int64_t n_rows = std::min(w.rows(), item.end * kernel.row_group) - first;
  kernel.multiply(w.group(item.begin), item.end - item.begin, n_rows, w.cols(), p.x, p.n_tokens,
                  p.y + first, p.y_stride);
}

// Tiles of C, smaller where threads are many: multiples of every kernel's own tile. Each copies
// its rows of A and columns of B, so they are large, then as square as may be.
std::vector<GemmProduct> tiles_of(std::span<const GemmProduct> products, int n_threads) {
  constexpr int64_t kMostRows = 3072, kRows = 384, kCols = 512, kLeastRows = 48, kLeastCols = 64;
  constexpr int64_t kManyTiles = 8, kTilesPerThread = 2;  // of a thread
  int64_t rows = kMostRows, cols = kCols;
  const auto count = [&] {
    int64_t n = 0;
    for (const GemmProduct& p : products)
      n += ((p.m + rows - 1) / rows) * ((p.n + cols - 1) / cols);
    return n;
  };
  while (n_threads > 1 && rows > kRows && count() < kManyTiles * n_threads) rows /= 2;
  while (n_threads > 1 && count() < kTilesPerThread * n_threads &&
         (rows > kLeastRows || cols > kLeastCols)) {
    (rows > kLeastRows && (rows >= cols || cols <= kLeastCols) ? rows : cols) /= 2;
  }
  std::vector<GemmProduct> tiles;
  for (const GemmProduct& p : products) {
    for (int64_t i = 0; i < p.m; i += rows) {
      for (int64_t j = 0; j < p.n; j += cols) {
        GemmProduct tile = p;
        tile.m = std::min(rows, p.m - i);
        tile.n = std::min(cols, p.n - j);
        tile.a.data += i * p.a.row;
        tile.b.data += j * p.b.col;
        tile.c += i * p.c_stride + j;
        tiles.push_back(tile);
      }
    }
  }
  return tiles;
}

}  // namespace

void multiply(Context& ctx, std::span<const Product> products) {
  const auto items = split(products, ctx.n_threads());
  ctx.parallel(std::ssize(items), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(items[static_cast<size_t>(i)]);
  });
}

void multiply(Context& ctx, std::span<const GemmProduct> products) {
  const auto tiles = tiles_of(products, ctx.n_threads());
  Gemm* gemm = best(kGemm, ctx.isa());
  ctx.parallel(std::ssize(tiles), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) gemm(tiles[static_cast<size_t>(i)]);
  });
}

std::shared_ptr<std::byte> prepare(Context& ctx, const MatmulKernel& kernel, const float* x,
                                   int64_t n_rows, int64_t x_stride, int64_t cols) {
  const auto bytes = static_cast<int64_t>(kernel.activation_bytes(cols));
  auto prepared = ctx.scratch(static_cast<size_t>(n_rows * bytes));
  ctx.parallel(n_rows, std::max<int64_t>(1, 8192 / cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      kernel.prepare(x + i * x_stride, cols, prepared.get() + i * bytes);
  });
  return prepared;
}

}  // namespace r1
