// Causal attention (Vaswani et al. 2017, eq. 1) of queries that share one key/value head, over
// pages of 32 positions, by an online softmax (Milakov and Gimelshein 2018) that takes the pages in
// order of position:
//   s_j = scale q.k_j;  m' = max(m, s);  p_j = e^(s_j - m');  l' = l e^(m - m') + sum p_j;  y' = y
//   e^(m - m') + sum p_j v_j
// and y / l at the end. A query's y depends on its q, its position and the keys and values up to
// it: never on the other queries or on where pages lie (law 1). Single-threaded, allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/variants.h"
#include "quant/dtype.h"

namespace r1 {

constexpr int kAttentionTile = 32;     // positions per page
constexpr int kAttentionQueries = 64;  // most queries of one call

// One head's keys and values: page p holds keys [k_dim, 32] at k + p * page_bytes, transposed so
// that lanes are positions, and values [32, v_dim] at v + p * page_bytes. A latent head
// (DeepSeek-V2, arXiv 2405.04434, section 2.1) stores one vector a position: page p holds keys [32,
// k_dim], and a value is the first v_dim elements of its key.
struct KvHead {
  std::byte* k = nullptr;
  std::byte* v = nullptr;  // null: latent
  int64_t page_bytes = 0;
  int k_dim = 0, v_dim = 0;
  DType dtype = DType::kF32;  // kF32, kF16, kBF16

  bool latent() const { return v == nullptr; }
};

struct AttentionQuery {
  const float* q;    // [k_dim]
  float* y;          // [v_dim], written
  int32_t position;  // sees keys 0 .. position
};

// queries: ascending in position; pages[i] holds positions [32 i, 32 i + 32) and must cover the
// last query's. attention_ref.cpp is the definition; others: |y - ref| <= 1e-5 max |v|.
using Attention = void(const KvHead& kv, float scale, std::span<const int32_t> pages,
                       std::span<const AttentionQuery> queries);

Attention attention_ref, attention_avx2;

inline constexpr Variant<Attention> kAttention[] = {{Isa::kRef, attention_ref},
                                                    {Isa::kAvx2, attention_avx2}};

// Writes the key [k_dim] and the value [v_dim] of one position, rounded to nearest even; of a
// latent head the key alone. All variants: same bits.
using KvStore = void(const KvHead& kv, int32_t page, int offset, const float* k, const float* v);

KvStore kv_store_ref, kv_store_avx2;

inline constexpr Variant<KvStore> kKvStore[] = {{Isa::kRef, kv_store_ref},
                                                {Isa::kAvx2, kv_store_avx2}};

}  // namespace r1
