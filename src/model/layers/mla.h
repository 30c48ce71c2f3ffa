// Multi-head latent attention (DeepSeek-V3 technical report, eq. 1 to 11; DeepSeek-V2, section
// 2.1): keys and values of all heads are made from one compressed vector c^KV a token and one
// rotated key k^R that all heads share. In two forms of the same function:
//   plain     the definition: keys and values of every head are computed and kept.
//   absorbed  q^C . W^UK c^KV = (W^UK^T q^C) . c^KV, and sum p W^UV c^KV = W^UV sum p c^KV: W^UK
//             moves to the query, W^UV to the output, and attention runs over [c^KV ; k^R] itself,
//             all that is kept: kv_lora_rank + qk_rope_head_dim values a token.
#pragma once

#include <memory>
#include <vector>

#include "model/binder.h"
#include "model/config.h"
#include "model/layers/gqa.h"

namespace r1 {

struct MlaWeights {
  Weight wq_a, wq_b;  // W^DQ [q_lora_rank, dim]; W^UQ and W^QR [n_heads * qk_head_dim, q_lora_rank]
  Tensor q_norm;      // [q_lora_rank]
  Weight wq;          // instead of those: [n_heads * qk_head_dim, dim]
  Weight wkv_a;       // W^DKV and W^KR [kv_lora_rank + qk_rope_head_dim, dim]
  Tensor kv_norm;     // [kv_lora_rank]
  // Of each head. W^UK [qk_nope_head_dim, kv_lora_rank], transposed in the absorbed form; W^UV
  // [v_head_dim, kv_lora_rank].
  std::vector<Weight> w_uk, w_uv;
  std::shared_ptr<const void> exact;  // what they were made of, where gradients pass through them
  Weight wo;                          // W^O [dim, n_heads * v_head_dim]
};

void bind(Binder& b, MlaWeights& l, const Config& c);

// What the cache holds of a layer.
KvShape mla_kv_shape(const Config& c, MlaForm form, int64_t n_layers, DType dtype);

// h [T, dim] -> u [T, dim]; what the rows leave for later ones is written into the cache first.
Tensor mla(Context& ctx, const Config& c, MlaForm form, const MlaWeights& l, const Tensor& h,
           const KvCache& kv);

}  // namespace r1
