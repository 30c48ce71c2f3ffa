#include "model/layers/mla.h"

#include <cmath>

#include "tensor/heads.h"

namespace r1 {
namespace {

// 1 / sqrt(d), times YaRN's m^2 where the model says so.
double softmax_scale(const Config& c) {
  const double scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  if (c.rope.scaling != RopeScaling::kYarn || c.rope.mscale_all_dim == 0) return scale;
  const double m = yarn_scale(c.rope.factor, c.rope.mscale_all_dim);
  return scale * m * m;
}

}  // namespace

KvShape mla_kv_shape(const Config& c, MlaForm form, int64_t n_layers, DType dtype) {
  const MlaConfig& m = c.mla;
  KvShape shape;
  shape.n_layers = static_cast<int>(n_layers);
  shape.dtype = dtype;
  shape.latent = form == MlaForm::kAbsorbed;
  shape.n_heads = shape.latent ? 1 : static_cast<int>(c.n_heads);
  const int64_t k_content = shape.latent ? m.kv_lora_rank : m.qk_nope_head_dim;
  shape.k_dim = static_cast<int>(k_content + m.qk_rope_head_dim);
  shape.v_dim = static_cast<int>(shape.latent ? m.kv_lora_rank : m.v_head_dim);
  return shape;
}

Tensor mla(Context& ctx, const Config& c, MlaForm form, const MlaWeights& l, const Tensor& h,
           const KvCache& kv) {
  const int64_t n = c.n_heads, d_nope = c.mla.qk_nope_head_dim, d_rope = c.mla.qk_rope_head_dim;
  const int64_t rank = c.mla.kv_lora_rank;

  // (1), (3), and (6) or, where queries are not compressed, (7) and (8): one meeting of h.
  const bool compressed = c.mla.q_lora_rank > 0;
  const auto [latent, down] = linear(ctx, h, {{l.wkv_a, {}}, {compressed ? l.wq_a : l.wq, {}}});
  const Tensor q = compressed ? linear(ctx, rms_norm(ctx, down, l.q_norm, c.norm_eps), l.wq_b)
                              : down;  // [T, n * (d_nope + d_rope)]

  // latent [T, rank + d_rope]
  const Tensor c_kv = rms_norm(ctx, slice_heads(ctx, latent, rank + d_rope, 0, rank), l.kv_norm,
                               c.norm_eps);  // (1) [T, rank]
  const Tensor k_r = rope(ctx, slice_heads(ctx, latent, rank + d_rope, rank, d_rope), kv.angles,
                          d_rope);  // (3) [T, d_rope]

  const auto attend = [&](const Tensor& queries) {  // (10)
    return attention(ctx, queries, n, kv.pages, kv.layer, kv.sequences, softmax_scale(c));
  };
  Tensor o;  // [T, n * v_head_dim]
  if (form == MlaForm::kAbsorbed) {
    kv_append(ctx, kv.pages, kv.layer, kv.sequences, join_heads(ctx, c_kv, k_r, 1));
    const Tensor q_c = slice_heads(ctx, q, c.head_dim, 0, d_nope);  // (7) [T, n * d_nope]
    const Tensor q_r = rope(ctx, slice_heads(ctx, q, c.head_dim, d_nope, d_rope), kv.angles,
                            d_rope);                        // (8) [T, n * d_rope]
    const Tensor q_a = linear_heads(ctx, q_c, l.w_uk);      // W^UK^T q^C [T, n * rank]
    const Tensor u = attend(join_heads(ctx, q_a, q_r, n));  // sum p c^KV [T, n * rank]
    o = linear_heads(ctx, u, l.w_uv);
  } else {
    const Tensor k_c = linear_heads(ctx, c_kv, l.w_uk);   // (2) [T, n * d_nope]
    const Tensor k = join_heads(ctx, k_c, k_r, n, true);  // (4)
    const Tensor v = linear_heads(ctx, c_kv, l.w_uv);     // (5) [T, n * v_head_dim]
    kv_append(ctx, kv.pages, kv.layer, kv.sequences, k, v);
    o = attend(rope(ctx, q, kv.angles, c.head_dim, d_nope));  // (7) to (9)
  }
  return linear(ctx, o, l.wo);  // (11)
}

}  // namespace r1
