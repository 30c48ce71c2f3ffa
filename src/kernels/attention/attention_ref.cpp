// Attention over pages, the definition.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/attention/attention.h"

namespace r1 {
namespace {

constexpr int kTile = kAttentionTile;

// s[j] = q . k_j for the 32 positions of a page.
void scores(const KvHead& kv, const std::byte* k, const float* q, float* s) {
  const DTypeInfo& type = info(kv.dtype);
  const int next = kv.latent() ? 1 : kTile;  // elements from d to d + 1
  for (int j = 0; j < kTile; ++j) {
    const std::byte* key = k + (kv.latent() ? j * kv.k_dim : j) * type.block_bytes;
    s[j] = 0;
    for (int d = 0; d < kv.k_dim; ++d, key += next * type.block_bytes) {
      float value;
      type.decode(key, &value, 1);
      s[j] += q[d] * value;
    }
  }
}

// y += sum over j < n of p[j] v_j.
void add_values(const KvHead& kv, const std::byte* v, const float* p, int n, float* y) {
  const DTypeInfo& type = info(kv.dtype);
  const int next = kv.latent() ? kv.k_dim : kv.v_dim;  // elements from a position to the next
  for (int j = 0; j < n; ++j, v += next * type.block_bytes) {
    for (int d = 0; d < kv.v_dim; ++d) {
      float value;
      type.decode(v + d * type.block_bytes, &value, 1);
      y[d] += p[j] * value;
    }
  }
}

void attend(const KvHead& kv, float scale, std::span<const int32_t> pages,
            const AttentionQuery& query) {
  float m = -std::numeric_limits<float>::infinity(), l = 0, s[kTile];
  std::fill(query.y, query.y + kv.v_dim, 0.0f);
  for (int32_t first = 0; first <= query.position; first += kTile) {
    const int64_t page = pages[static_cast<size_t>(first / kTile)] * kv.page_bytes;
    const int n = std::min(kTile, query.position - first + 1);
    scores(kv, kv.k + page, query.q, s);
    float m_new = m;
    for (int j = 0; j < n; ++j) m_new = std::max(m_new, s[j] * scale);
    float sum = 0;
    for (int j = 0; j < n; ++j) sum += s[j] = std::exp(s[j] * scale - m_new);
    const float correction = std::exp(m - m_new);
    m = m_new;
    l = l * correction + sum;
    for (int d = 0; d < kv.v_dim; ++d) query.y[d] *= correction;
    add_values(kv, (kv.latent() ? kv.k : kv.v) + page, s, n, query.y);
  }
  for (int d = 0; d < kv.v_dim; ++d) query.y[d] /= l;
}

}  // namespace

void attention_ref(const KvHead& kv, float scale, std::span<const int32_t> pages,
                   std::span<const AttentionQuery> queries) {
  for (const AttentionQuery& query : queries) attend(kv, scale, pages, query);
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
