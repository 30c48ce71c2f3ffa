#include "model/layers/gqa.h"

#include <cmath>

namespace r1 {

void bind(Binder& b, GqaWeights& l, const Config& c) {
  const int64_t q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
  b.bind(l.wq, "attn_q.weight", "self_attn.q_proj.weight", {q, c.dim});
  b.bind(l.wk, "attn_k.weight", "self_attn.k_proj.weight", {kv, c.dim});
  b.bind(l.wv, "attn_v.weight", "self_attn.v_proj.weight", {kv, c.dim});
  b.bind(l.wo, "attn_output.weight", "self_attn.o_proj.weight", {c.dim, q});
  if (c.qkv_bias) {
    b.bind(l.bq, "attn_q.bias", "self_attn.q_proj.bias", {q});
    b.bind(l.bk, "attn_k.bias", "self_attn.k_proj.bias", {kv});
    b.bind(l.bv, "attn_v.bias", "self_attn.v_proj.bias", {kv});
  }
  if (c.o_bias) b.bind(l.bo, "attn_output.bias", "self_attn.o_proj.bias", {c.dim});
  if (c.qk_norm) {
    b.bind(l.q_norm, "attn_q_norm.weight", "self_attn.q_norm.weight", {c.head_dim});
    b.bind(l.k_norm, "attn_k_norm.weight", "self_attn.k_norm.weight", {c.head_dim});
  }
}

Tensor gqa(Context& ctx, const Config& c, const GqaWeights& l, const Tensor& x, const KvCache& kv) {
  // q [T, n_heads * head_dim], k and v [T, n_kv_heads * head_dim]
  auto [q, k, v] = linear(ctx, x, {{l.wq, l.bq}, {l.wk, l.bk}, {l.wv, l.bv}});
  if (c.qk_norm) {
    q = rms_norm(ctx, q, l.q_norm, c.norm_eps);
    k = rms_norm(ctx, k, l.k_norm, c.norm_eps);
  }
  q = rope(ctx, q, kv.angles, c.head_dim);
  k = rope(ctx, k, kv.angles, c.head_dim);
  kv_append(ctx, kv.pages, kv.layer, kv.sequences, k, v);
  const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  return linear(ctx, attention(ctx, q, c.n_heads, kv.pages, kv.layer, kv.sequences, scale), l.wo,
                l.bo);
}

}  // namespace r1
