// Llama 2 and 3 (Touvron et al. 2023; Grattafiori et al. 2024), and what shares their form:
// SmolLM2, the R1 distills of Llama. GGUF files hold query and key rows permuted so that RoPE turns
// adjacent pairs; checkpoints turn halves.
#include "model/architectures.h"
#include "model/layers/swiglu.h"

namespace r1 {
namespace {

struct Layer {
  Tensor attn_norm, ffn_norm;  // [dim]
  GqaWeights attn;
  SwigluWeights ffn;
};

class Llama final : public Decoder {
  void read(Reader& r) override {
    c.rope.layout = r.gguf() ? RopeLayout::kAdjacent : RopeLayout::kHalves;
    // In GGUF the tensors say whether there are biases.
    r.read(c.qkv_bias, "", "attention_bias", r.file().find("blk.0.attn_q.bias") != nullptr);
    r.read(c.o_bias, "", "attention_bias", r.file().find("blk.0.attn_output.bias") != nullptr);
    r.read(c.mlp_bias, "", "mlp_bias", r.file().find("blk.0.ffn_gate.bias") != nullptr);
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

std::unique_ptr<Decoder> make_llama() { return std::make_unique<Llama>(); }

}  // namespace r1
