// Attention over pages, the definition.
#include <algorithm>
#include <cmath>

#include "kernels/attention/attention.h"

namespace r1 {
namespace {

constexpr int kTile = kAttentionTile;
constexpr float kLog2E = 1.44269504f;

float element(const KvHead& kv, const std::byte* base, int64_t index) {
  const DTypeInfo& type = info(kv.dtype);
  float value;
  type.decode(base + index * type.block_bytes, &value, 1);
  return value;
}

// Element d of position j of a page.
float key(const KvHead& kv, int64_t page, int j, int d) {
  return element(kv, kv.k + page, kv.latent() ? j * kv.k_dim + d : d * kTile + j);
}
float value(const KvHead& kv, int64_t page, int j, int d) {
  return kv.latent() ? key(kv, page, j, d) : element(kv, kv.v + page, j * kv.v_dim + d);
}

// What each of two sums counts for in the sum of both.
struct Weights {
  float m, before, later;
};

Weights weigh(const AttentionSum& before, const AttentionSum& later) {
  const float m = std::max(before.m, later.m);
  return {m, std::exp2(before.m - m), std::exp2(later.m - m)};
}

void add(AttentionSum& sum, const Weights& w, const AttentionSum& later) {
  sum = {w.m, sum.l * w.before + later.l * w.later};
}

// The span's own sum, then added.
void attend(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
            const AttentionQuery& query) {
  const auto page = [&](int j) {
    return pages[static_cast<size_t>((first + j) / kTile)] * kv.page_bytes;
  };
  const int n = std::min(kAttentionSpan, query.position - first + 1);
  float p[kAttentionSpan];
  AttentionSum span;
  for (int j = 0; j < n; ++j) {
    float s = 0;
    for (int d = 0; d < kv.k_dim; ++d) s += query.q[d] * key(kv, page(j), j % kTile, d);
    p[j] = s * (scale * kLog2E);
    span.m = std::max(span.m, p[j]);
  }
  for (int j = 0; j < n; ++j) span.l += p[j] = std::exp2(p[j] - span.m);
  const Weights w = weigh(*query.sum, span);
  for (int d = 0; d < kv.v_dim; ++d) {
    float y = 0;
    for (int j = 0; j < n; ++j) y += p[j] * value(kv, page(j), j % kTile, d);
    query.y[d] = query.y[d] * w.before + y * w.later;
  }
  add(*query.sum, w, span);
}

}  // namespace

void attention_ref(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                   std::span<const AttentionQuery> queries) {
  for (const AttentionQuery& query : queries) attend(kv, scale, pages, first, query);
}

void attention_merge_ref(const KvHead& kv, AttentionSum& sum, float* y, const AttentionSum& later,
                         const float* later_y) {
  const Weights w = weigh(sum, later);
  for (int d = 0; d < kv.v_dim; ++d) y[d] = y[d] * w.before + later_y[d] * w.later;
  add(sum, w, later);
}

void kv_store_ref(const KvHead& kv, int32_t page, int offset, const float* k, const float* v) {
  const DTypeInfo& type = info(kv.dtype);
  const size_t size = static_cast<size_t>(type.block_bytes);
  if (kv.latent()) {
    std::byte* key = kv.k + page * kv.page_bytes + static_cast<size_t>(offset * kv.k_dim) * size;
    return type.encode(k, key, static_cast<size_t>(kv.k_dim), nullptr);
  }
  std::byte* keys = kv.k + page * kv.page_bytes + static_cast<size_t>(offset) * size;
  for (int d = 0; d < kv.k_dim; ++d)
    type.encode(k + d, keys + static_cast<size_t>(d * kTile) * size, 1, nullptr);
  std::byte* values = kv.v + page * kv.page_bytes + static_cast<size_t>(offset * kv.v_dim) * size;
  type.encode(v, values, static_cast<size_t>(kv.v_dim), nullptr);
}

}  // namespace r1
