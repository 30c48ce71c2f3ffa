// Attention over the key/value pages. The unit of work is one key/value head, a few rows of the
// batch with all the heads that share it, and some spans of positions; rows whose sequences share
// the pages of a span read them together. Who computes a span never changes its bits (law 1), so
// spans are given to other threads exactly where rows and heads are too few to keep them busy.
#include <algorithm>
#include <array>
#include <vector>

#include "tensor/backward.h"

namespace r1 {
namespace {

constexpr int kSpan = kAttentionSpan;

struct Row {
  const SequenceRows* sequence;
  int32_t index, position;  // in the batch, in the sequence

  std::span<const int32_t> pages() const { return sequence->pages; }
  int n_spans() const { return position / kSpan + 1; }
  bool shares_span(const Row& other, int span) const {
    constexpr size_t kPages = kSpan / kKvPage;
    const size_t from = static_cast<size_t>(span) * kPages;
    return sequence == other.sequence ||
           std::ranges::equal(
               pages().subspan(from).first(std::min(kPages, pages().size() - from)),
               other.pages().subspan(from).first(std::min(kPages, other.pages().size() - from)));
  }
};

// The rows of a batch, those of sequences with a common prefix side by side.
std::pmr::vector<Row> rows_of(Context& ctx, std::span<const SequenceRows> sequences) {
  std::pmr::vector<const SequenceRows*> order(ctx.memory());
  for (const SequenceRows& s : sequences) order.push_back(&s);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    const auto which = std::lexicographical_compare_three_way(a->pages.begin(), a->pages.end(),
                                                              b->pages.begin(), b->pages.end());
    return which == 0 ? a < b : which < 0;
  });
  std::pmr::vector<Row> rows(ctx.memory());
  for (const SequenceRows* s : order) {
    for (int32_t i = 0; i < s->count; ++i) rows.push_back({s, s->first + i, s->position + i});
  }
  return rows;
}

struct Item {
  int head;                                 // key/value head
  std::span<const Row> rows;                // of sequences that share their first page
  std::span<const AttentionQuery> queries;  // [rows][heads that share the key/value head]
  int n_spans;

  int64_t cost() const { return std::ssize(queries) * n_spans; }
};

// One call of the op.
class Attending {
 public:
  Attending(Context& ctx, const Tensor& q, int64_t n_heads, const KvPages& kv, int layer,
            std::span<const SequenceRows> sequences, float scale)
      : ctx_(ctx),
        kv_(kv),
        scale_(scale),
        attend_(best(kAttention, ctx.isa())),
        merge_(best(kAttentionMerge, ctx.isa())),
        rows_(rows_of(ctx, sequences)),
        y_(ctx.tensor(q.rows(), n_heads * kv.shape().v_dim)),
        sums_(static_cast<size_t>(q.rows() * n_heads), ctx.memory()),
        queries_(ctx.memory()),
        items_(ctx.memory()),
        heads_(ctx.memory()) {
    for (int head = 0; head < kv.shape().n_heads; ++head) heads_.push_back(kv.head(layer, head));
    queries_.reserve(rows_.size() * static_cast<size_t>(n_heads));  // items hold spans of it
    const int64_t group = n_heads / kv.shape().n_heads;
    const int64_t heads = std::min<int64_t>(group, kAttentionQueries);  // of an item
    const auto most = static_cast<size_t>(kAttentionQueries / heads);
    for (std::span<const Row> rest = rows_; !rest.empty();) {
      size_t n = 1;
      while (n < std::min(most, rest.size()) && rest[n].pages()[0] == rest[0].pages()[0]) ++n;
      for (int64_t head = 0; head < n_heads; head += group) {
        for (int64_t i = 0; i < group; i += heads)
          add_item(rest.first(n), q, n_heads, head + i, std::min(heads, group - i));
      }
      rest = rest.subspan(n);
    }
    // The largest first, so that threads finish together.
    std::sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) {
      return a.cost() != b.cost() ? a.cost() > b.cost() : a.queries.data() < b.queries.data();
    });
  }

  Tensor run() {
    for (const Item& item : items_) n_spans_ = std::max(n_spans_, item.n_spans);
    if (n_spans_ > 1 && std::ssize(items_) < int64_t{kItemsPerThread} * ctx_.n_threads()) {
      by_spans();
    } else {
      by_items();
    }
    return y_;
  }

 private:
  static constexpr int kItemsPerThread = 16;      // enough that threads finish together
  static constexpr int64_t kSumFloats = 1 << 18;  // a thread's part of what by_spans keeps

  // Query heads [head, head + n) of some rows.
  void add_item(std::span<const Row> rows, const Tensor& q, int64_t n_heads, int64_t head,
                int64_t n) {
    const KvShape& shape = kv_.shape();
    const size_t begin = queries_.size();
    int n_spans = 0;
    for (const Row& row : rows) {
      n_spans = std::max(n_spans, row.n_spans());
      for (int64_t i = head; i < head + n; ++i) {
        queries_.push_back({q.row(row.index).data() + i * shape.k_dim,
                            y_.row(row.index).data() + i * shape.v_dim, &sums_[queries_.size()],
                            row.position});
      }
    }
    items_.push_back({static_cast<int>(head * shape.n_heads / n_heads), rows,
                      std::span(queries_).subspan(begin), n_spans});
  }

  // Adds one span to the sums of `queries`, an item's or others in their places, that reach it: a
  // call for every run of rows that share its pages. Short sequences are many: behind their pages
  // stand those of the next, the item behind has `next`, so that they are prefetched.
  void add_span(const Item& item, std::span<const AttentionQuery> queries, int span,
                std::span<const int32_t> next) const {
    const size_t heads = queries.size() / item.rows.size();
    for (size_t end = 0; end < item.rows.size();) {
      const size_t begin = end++;
      const Row& first = item.rows[begin];
      if (first.n_spans() <= span) continue;
      while (end < item.rows.size() && item.rows[end].n_spans() > span &&
             item.rows[end].shares_span(first, span)) {
        ++end;
      }
      std::span<const int32_t> pages = first.pages();
      std::array<int32_t, size_t{2} * kSpan / kKvPage> some;
      if (item.n_spans == 1) {
        size_t n = 0;
        for (const Row& row : item.rows.subspan(begin, end - begin))
          n = std::max(n, static_cast<size_t>(row.position / kKvPage + 1));
        auto behind = end < item.rows.size() ? item.rows[end].pages() : next;
        behind = behind.first(std::min<size_t>(behind.size(), kSpan / kKvPage));
        std::ranges::copy(behind, std::ranges::copy(pages.first(n), some.begin()).out);
        pages = {some.data(), n + behind.size()};
      }
      attend_(heads_[static_cast<size_t>(item.head)], scale_, pages, span * kSpan,
              queries.subspan(begin * heads, (end - begin) * heads));
    }
  }

  void clear(const AttentionQuery& query) const {
    *query.sum = {};
    std::fill_n(query.y, kv_.shape().v_dim, -0.0f);
  }

  void divide(const AttentionQuery& query) const {
    constexpr int kTogether = 8;  // known to the compiler: in vectors
    const float l = query.sum->l;
    float* y = query.y;
    int d = 0;
    for (; d + kTogether <= kv_.shape().v_dim; d += kTogether, y += kTogether) {
      for (int i = 0; i < kTogether; ++i) y[i] /= l;
    }
    for (; d < kv_.shape().v_dim; ++d) *y++ /= l;
  }

  void by_items() {
    ctx_.parallel(std::ssize(items_), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        const Item& item = items_[i];
        std::span<const int32_t> next;
        if (i + 1 < items_.size()) next = items_[i + 1].rows[0].pages();
        for (const AttentionQuery& query : item.queries) clear(query);
        for (int span = 0; span < item.n_spans; ++span) add_span(item, item.queries, span, next);
        for (const AttentionQuery& query : item.queries) divide(query);
      }
    });
  }

  // Every span of an item for itself, a window of spans at a time, which are then added in order.
  void by_spans() {
    const int64_t v_dim = kv_.shape().v_dim, n_queries = std::ssize(queries_);
    const int64_t window =
        std::clamp<int64_t>(kSumFloats * ctx_.n_threads() / (n_queries * v_dim), 1, n_spans_);
    const Tensor y = ctx_.tensor(window * n_queries, v_dim);
    std::pmr::vector<AttentionSum> sums(static_cast<size_t>(window * n_queries), ctx_.memory());
    // Where the sum of a query's span is.
    const auto part = [&](const AttentionQuery& query, int64_t i, int64_t span) {
      const int64_t at = span % window * n_queries + i;
      return AttentionQuery{query.q, y.row(at).data(), &sums[static_cast<size_t>(at)],
                            query.position};
    };
    for (const AttentionQuery& query : queries_) clear(query);
    const int64_t n_items = std::ssize(items_);
    for (int64_t first = 0; first < n_spans_; first += window) {
      const int64_t n = std::min(window, n_spans_ - first);
      ctx_.parallel(n * n_items, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const Item& item = items_[static_cast<size_t>(i / n)];
          const int64_t span = first + i % n;
          if (span >= item.n_spans) continue;
          std::array<AttentionQuery, kAttentionQueries> parts;
          size_t count = 0;
          for (const AttentionQuery& query : item.queries) {
            parts[count] = part(query, &query - queries_.data(), span);
            clear(parts[count++]);
          }
          add_span(item, {parts.data(), count}, static_cast<int>(span), {});
        }
      });
      ctx_.parallel(n_queries, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const AttentionQuery& query = queries_[static_cast<size_t>(i)];
          for (int64_t span = first;
               span < std::min<int64_t>(first + n, query.position / kSpan + 1); ++span) {
            const AttentionQuery later = part(query, i, span);
            merge_(heads_[0], *query.sum, query.y, *later.sum, later.y);
          }
          if (first + n == n_spans_) divide(query);
        }
      });
    }
  }

  Context& ctx_;
  const KvPages& kv_;
  const float scale_;
  Attention* const attend_;
  AttentionMerge* const merge_;
  const std::pmr::vector<Row> rows_;
  const Tensor y_;
  std::pmr::vector<AttentionSum> sums_;  // one of each query
  std::pmr::vector<AttentionQuery> queries_;
  std::pmr::vector<Item> items_;
  std::pmr::vector<KvHead> heads_;
  int n_spans_ = 0;
};

}  // namespace

void kv_append(Context& ctx, const KvPages& kv, int layer, std::span<const SequenceRows> sequences,
               const Tensor& k, const Tensor& v) {
  const KvShape& shape = kv.shape();
  R1_CHECK(k.cols() == shape.n_heads * int64_t{shape.k_dim});
  R1_CHECK(shape.latent ? !v : v.cols() == shape.n_heads * int64_t{shape.v_dim});
  if (Tape* tape = ctx.tape()) tape->note_kv(layer, {k, v});
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
  R1_CHECK(n_heads % shape.n_heads == 0 && q.cols() == n_heads * shape.k_dim && scale > 0);
  Tensor y = Attending(ctx, q, n_heads, kv, layer, sequences, static_cast<float>(scale)).run();
  record_attention(ctx, q, n_heads, layer, sequences, scale, y);
  return y;
}

}  // namespace r1
