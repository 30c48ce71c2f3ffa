// Qwen3, dense (Qwen Team, 2025: arXiv:2505.09388): Llama's block without biases, with an RMSNorm
// on every query and key head before RoPE.
#include "model/architectures.h"
#include "model/layers/swiglu.h"

namespace r1 {
namespace {

struct Layer {
  Tensor attn_norm, ffn_norm;  // [dim]
  GqaWeights attn;
  SwigluWeights ffn;
};

class Qwen3 final : public Decoder {
  void read(Reader& r) override {
    c.rope.layout = RopeLayout::kHalves;
    r.read(c.qkv_bias, "", "attention_bias", false);
    r.read(c.o_bias, "", "attention_bias", false);
    c.qk_norm = true;
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

std::unique_ptr<Decoder> make_qwen3() { return std::make_unique<Qwen3>(); }

}  // namespace r1
