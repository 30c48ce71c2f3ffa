// Qwen2 and Qwen2.5 (Qwen Team, 2024: arXiv:2407.10671, 2412.15115): Llama's block with biases on
// queries, keys and values. The R1 distills of Qwen are of this form.
#include "model/architectures.h"
#include "model/layers/swiglu.h"

namespace r1 {
namespace {

struct Layer {
  Tensor attn_norm, ffn_norm;  // [dim]
  GqaWeights attn;
  SwigluWeights ffn;
};

class Qwen2 final : public Decoder {
  void read(Reader&) override {
    c.rope.layout = RopeLayout::kHalves;
    c.qkv_bias = true;
  }

  void bind(Binder& b, int64_t layer) override {
    layers_.resize(static_cast<size_t>(c.n_layers));
    Layer& l = layers_[static_cast<size_t>(layer)];
    b.bind(l.attn_norm, "attn_norm.weight", "input_layernorm.weight", {c.dim});
    r1::bind(b, l.attn, c);
    b.bind(l.ffn_norm, "ffn_norm.weight", "post_attention_layernorm.weight", {c.dim});
    r1::bind(b, l.ffn, c);
  }

  Tensor block(Context& ctx, Tensor h, const KvCache& kv) const override {  // h [T, dim]
    const Layer& l = layers_[static_cast<size_t>(kv.layer)];
    h = add(ctx, h, gqa(ctx, c, l.attn, rms_norm(ctx, h, l.attn_norm, c.norm_eps), kv));
    return add(ctx, h, swiglu(ctx, l.ffn, rms_norm(ctx, h, l.ffn_norm, c.norm_eps)));
  }

  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Decoder> make_qwen2() { return std::make_unique<Qwen2>(); }

}  // namespace r1
