// Attention over the key/value pages. The unit of work is one key/value head and a tile of its
// queries: all the heads that share it, for as many neighbouring rows of one sequence as a kernel
// call takes.
#include <algorithm>
#include <array>
#include <vector>

#include "tensor/ops.h"

namespace r1 {
namespace {

struct Item {
  const SequenceRows* sequence;
  int head;             // key/value head
  int64_t first_query;  // of the group's heads, [first_query, first_query + n_queries)
  int64_t n_queries;
  int64_t row, n_rows;  // rows of the batch
};

std::vector<Item> split(std::span<const SequenceRows> sequences, int n_kv_heads, int64_t group) {
  const int64_t heads = std::min<int64_t>(group, kAttentionQueries);  // of one item
  const int64_t n_rows = kAttentionQueries / heads;
  std::vector<Item> items;
  for (const SequenceRows& s : sequences) {
    for (int64_t row = 0; row < s.count; row += n_rows) {
      for (int head = 0; head < n_kv_heads; ++head) {
        for (int64_t query = 0; query < group; query += heads) {
          items.push_back({&s, head, query, std::min(heads, group - query), s.first + row,
                           std::min<int64_t>(n_rows, s.count - row)});
        }
      }
    }
  }
  return items;
}

}  // namespace

void kv_append(Context& ctx, const KvPages& kv, int layer, std::span<const SequenceRows> sequences,
               const Tensor& k, const Tensor& v) {
  const KvShape& shape = kv.shape();
  R1_CHECK(k.cols() == shape.n_heads * int64_t{shape.k_dim});
  R1_CHECK(shape.latent ? !v : v.cols() == shape.n_heads * int64_t{shape.v_dim});
  KvStore* store = best(kKvStore, ctx.isa());
  for (const SequenceRows& s : sequences) {
    ctx.parallel(s.count, kKvPage, [&](int64_t begin, int64_t end) {
      for (int head = 0; head < shape.n_heads; ++head) {
        const KvHead memory = kv.head(layer, head);
        for (int64_t i = begin; i < end; ++i) {
          const int64_t position = s.position + i, row = s.first + i;
          const int32_t page = s.pages[static_cast<size_t>(position / kKvPage)];
          store(memory, page, static_cast<int>(position % kKvPage),
                k.row(row).data() + head * shape.k_dim,
                shape.latent ? nullptr : v.row(row).data() + head * shape.v_dim);
        }
      }
    });
  }
}

Tensor attention(Context& ctx, const Tensor& q, int64_t n_heads, const KvPages& kv, int layer,
                 std::span<const SequenceRows> sequences, double scale) {
  const KvShape& shape = kv.shape();
  R1_CHECK(n_heads % shape.n_heads == 0 && q.cols() == n_heads * shape.k_dim);
  const int64_t group = n_heads / shape.n_heads;
  Attention* run = best(kAttention, ctx.isa());
  Tensor y = ctx.tensor(q.rows(), n_heads * shape.v_dim);
  const auto items = split(sequences, shape.n_heads, group);
  ctx.parallel(static_cast<int64_t>(items.size()), 1, [&](int64_t begin, int64_t end) {
    std::array<AttentionQuery, kAttentionQueries> queries;
    for (int64_t i = begin; i < end; ++i) {
      const Item& item = items[static_cast<size_t>(i)];
      size_t n = 0;
      for (int64_t row = item.row; row < item.row + item.n_rows; ++row) {
        for (int64_t j = 0; j < item.n_queries; ++j) {
          const int64_t head = item.head * group + item.first_query + j;
          queries[n++] = {
              q.row(row).data() + head * shape.k_dim, y.row(row).data() + head * shape.v_dim,
              static_cast<int32_t>(item.sequence->position + row - item.sequence->first)};
        }
      }
      run(kv.head(layer, item.head), static_cast<float>(scale), item.sequence->pages,
          {queries.data(), n});
    }
  });
  return y;
}

}  // namespace r1
