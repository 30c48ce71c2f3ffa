#include "model/dense_decoder.h"

namespace r1 {

void DenseDecoder::bind(Binder& b, int64_t layer) {
  layers_.resize(static_cast<size_t>(c.n_layers));
  Layer& l = layers_[static_cast<size_t>(layer)];
  b.bind(l.attn_norm, "attn_norm.weight", "input_layernorm.weight", {c.dim});
  r1::bind(b, l.attn, c);
  b.bind(l.ffn_norm, "ffn_norm.weight", "post_attention_layernorm.weight", {c.dim});
  r1::bind(b, l.ffn, c);
}

Tensor DenseDecoder::block(Context& ctx, Tensor h, const KvCache& kv,
                           const Trace&) const {  // h [T, dim]
  const Layer& l = layers_[static_cast<size_t>(kv.layer)];
  h = add(ctx, h, gqa(ctx, c, l.attn, rms_norm(ctx, h, l.attn_norm, c.norm_eps), kv));
  return add(ctx, h, swiglu(ctx, l.ffn, rms_norm(ctx, h, l.ffn_norm, c.norm_eps)));
}

}  // namespace r1
