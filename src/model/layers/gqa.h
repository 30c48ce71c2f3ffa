// Grouped-query attention (Ainslie et al. 2023) with rotary positions, optional biases (Qwen2) and
// query/key norms (Qwen3).
#pragma once

#include <span>

#include "model/binder.h"
#include "model/config.h"
#include "tensor/ops.h"

namespace r1 {

// One layer's part of the cache in one forward, and the angles of the batch's rows.
struct KvCache {
  const KvPages& pages;
  int layer;
  std::span<const SequenceRows> sequences;
  const RopeAngles& angles;
};

struct GqaWeights {
  Weight wq, wk, wv,
      wo;  // [n_heads * head_dim, dim], 2 x [n_kv_heads * head_dim, dim], [dim, n_heads * head_dim]
  Tensor bq, bk, bv, bo;  // none without bias
  Tensor q_norm, k_norm;  // [head_dim], none without norms
};

void bind(Binder& b, GqaWeights& l, const Config& c);

// x [T, dim] -> [T, dim]; the rows' keys and values are written into the cache first.
Tensor gqa(Context& ctx, const Config& c, const GqaWeights& l, const Tensor& x, const KvCache& kv);

}  // namespace r1
