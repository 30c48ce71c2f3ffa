// Causal attention (Vaswani et al. 2017, eq. 1) of queries that share one key/value head, over
// pages of 32 positions. The softmax is that of Flash-Decoding (Dao et al. 2023), cut at absolute
// positions: every span of 256 positions is summed for itself,
//   s_j = scale log2(e) q.k_j;  m = max s_j;  l = sum 2^(s_j - m);  y = sum 2^(s_j - m) v_j,
// and added to what the spans before it gave: (m, l, y) + (m', l', y') = (M, l 2^(m - M) + l'
// 2^(m' - M), y 2^(m - M) + y' 2^(m' - M)), M = max(m, m'); y / l at the end. A span's sum depends
// on q, the position and the span's keys and values alone, and spans are added in order of
// position: never on the other queries, on where pages lie or on who computes a span (law 1).
// Single-threaded, allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/variants.h"
#include "quant/dtype.h"

namespace r1 {

constexpr int kAttentionTile = 32;     // positions per page
constexpr int kAttentionSpan = 256;    // positions per span: 8 pages
constexpr int kAttentionQueries = 64;  // most queries of one call

// One head's keys and values: page p holds keys [k_dim, 32] at k + p * page_bytes, transposed so
// that lanes are positions, and values [32, v_dim] at v + p * page_bytes. A latent head
// (DeepSeek-V2, arXiv 2405.04434, section 2.1) stores one vector a position: page p holds keys [32,
// k_dim], and a value is the first v_dim elements of its key. Q8_0, where dimensions are multiples
// of 32: int8 codes where other types have elements, then the F16 scales [dim / 32, 32 positions]
// of every 32 elements of a position.
struct KvHead {
  std::byte* k = nullptr;
  std::byte* v = nullptr;  // null: latent
  int64_t page_bytes = 0;
  int k_dim = 0, v_dim = 0;
  DType dtype = DType::kF32;  // kF32, kF16, kBF16, kQ8_0

  bool latent() const { return v == nullptr; }
};

// m and l of the spans summed so far. Their y is kept beside: all -0 at first, so that the first
// span's is kept to the bit.
struct AttentionSum {
  float m = std::numeric_limits<float>::lowest();
  float l = 0;
};

struct AttentionQuery {
  const float* q;  // [k_dim]
  float* y;        // [v_dim], added to
  AttentionSum* sum;
  int32_t position;  // sees keys 0 .. position
};

// Adds the span [first, first + 256) of keys and values to the sums of `queries`, 1 to
// kAttentionQueries of them in any order, each with position >= first. pages[i] holds positions
// [32 i, 32 i + 32) and must cover those that are seen; more are only prefetched. first % 256 == 0;
// scale > 0. attention_ref.cpp is the definition; others: |y / l - ref| <= 1e-5 max |v|.
using Attention = void(const KvHead& kv, float scale, std::span<const int32_t> pages, int32_t first,
                       std::span<const AttentionQuery> queries);

Attention attention_ref, attention_avx2, attention_avx512, attention_neon;

inline constexpr Variant<Attention> kAttention[] = {{Isa::kRef, attention_ref},
                                                    {Isa::kAvx2, attention_avx2},
                                                    {Isa::kAvx512, attention_avx512},
                                                    {Isa::kNeon, attention_neon}};

// Adds the sum of a later span, summed for itself, to the sum of those before it: the same bits as
// one after the other.
using AttentionMerge = void(const KvHead& kv, AttentionSum& sum, float* y,
                            const AttentionSum& later, const float* later_y);

AttentionMerge attention_merge_ref, attention_merge_avx2, attention_merge_neon;

inline constexpr Variant<AttentionMerge> kAttentionMerge[] = {{Isa::kRef, attention_merge_ref},
                                                              {Isa::kAvx2, attention_merge_avx2},
                                                              {Isa::kNeon, attention_merge_neon}};

// Writes the key [k_dim] and the value [v_dim] of one position, rounded to nearest even (in Q8_0 as
// kv_store_loop.h says); of a latent head the key alone. All variants: same bits.
using KvStore = void(const KvHead& kv, int32_t page, int offset, const float* k, const float* v);

KvStore kv_store_ref, kv_store_avx2, kv_store_neon;

inline constexpr Variant<KvStore> kKvStore[] = {
    {Isa::kRef, kv_store_ref}, {Isa::kAvx2, kv_store_avx2}, {Isa::kNeon, kv_store_neon}};

}  // namespace r1
