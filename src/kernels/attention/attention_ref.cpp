// Attention over pages, the definition.
#include <algorithm>
#include <cmath>

#include "kernels/attention/attention.h"
#include "kernels/attention/kv_store_loop.h"

namespace r1 {
namespace {

constexpr int kTile = kAttentionTile;
constexpr float kLog2E = 1.44269504f;

struct F16 {
  static uint16_t narrow(float x) { return f32_to_f16(x); }
};

// Element `index` of the vectors [32, dim] or [dim, 32] of a page; it is element d of position j.
float element(DType dtype, const std::byte* page, int index, int dim, int j, int d) {
  const DTypeInfo& type = info(dtype);
  float value;
  if (dtype == DType::kQ8_0) {
    const auto* codes = reinterpret_cast<const int8_t*>(page);
    const auto* scales = reinterpret_cast<const uint16_t*>(page + kTile * dim);
    return static_cast<float>(codes[index]) * f16_to_f32(scales[d / 32 * kTile + j]);
  }
  type.decode(page + index * type.block_bytes, &value, 1);
  return value;
}

// Element d of position j of a page.
float key(const KvHead& kv, int64_t page, int j, int d) {
  const int index = kv.latent() ? j * kv.k_dim + d : d * kTile + j;
  return element(kv.dtype, kv.k + page, index, kv.k_dim, j, d);
}
float value(const KvHead& kv, int64_t page, int j, int d) {
  if (kv.latent()) return key(kv, page, j, d);
  return element(kv.dtype, kv.v + page, j * kv.v_dim + d, kv.v_dim, j, d);
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
  KvStoreLoop<F16>::store(kv, page, offset, k, v);
}

}  // namespace r1
