// DeepSeek-V3 and R1 (DeepSeek-AI, 2024: arXiv:2412.19437), and V2, its predecessor with a softmax
// gate (arXiv:2405.04434): latent attention, a mixture of experts after the first dense layers, and
// a layer that predicts the token after next. Equation numbers are V3's.
#include <cmath>

#include "model/architectures.h"
#include "model/decoder.h"
#include "model/layers/mla.h"
#include "model/layers/moe.h"
#include "model/layers/mtp.h"
#include "model/layers/swiglu.h"
#include "model/read_deepseek.h"

namespace r1 {
namespace {

class DeepSeekV3 final : public Decoder {
 public:
  KvShape kv_shape(DType dtype) const override {
    return mla_kv_shape(c, form_, std::ssize(layers_), dtype);
  }

  uint64_t step_bytes(int64_t n_tokens) const override {
    const double idle = 1 - static_cast<double>(c.moe.n_activated_experts) /
                                static_cast<double>(std::max<int64_t>(1, c.moe.n_routed_experts));
    const double reached = 1 - std::pow(idle, static_cast<double>(n_tokens));
    uint64_t bytes = weight_bytes();
    for (const Layer& l : layers_) {
      if (!l.moe.experts) continue;
      const auto n = static_cast<double>(l.moe.experts->count());
      bytes -= l.moe.experts->resident_bytes();
      bytes +=
          static_cast<uint64_t>(reached * n * static_cast<double>(l.moe.experts->expert_bytes()));
    }
    return bytes;
  }

  bool drafts() const override { return std::ssize(layers_) > c.n_layers; }

  Tensor draft(Context& ctx, const Batch& batch, const Tensor& hidden, KvPages& kv, Tensor* next,
               const Trace& trace) const override {
    R1_CHECK(drafts() && hidden.rows() == std::ssize(batch.tokens));
    check_batch(batch, kv);
    if (trace.experts) trace.experts->clear();
    const RopeAngles rope = angles(ctx, batch);
    Tensor h = mtp_input(ctx, c, mtp_, hidden, embedded(ctx, batch.tokens));          // (21)
    h = block(ctx, h, {kv, static_cast<int>(c.n_layers), batch.parts, rope}, trace);  // (22)
    if (next) *next = h;
    return head(ctx, rms_norm(ctx, rows(ctx, h, batch.wanted), mtp_.out_norm, c.norm_eps));  // (23)
  }

 private:
  struct Layer {
    Tensor attn_norm, ffn_norm;  // [dim]
    MlaWeights attn;
    SwigluWeights dense;  // one of these
    MoeWeights moe;
  };

  void read(Reader& r) override { read_deepseek(r, c); }

  void bind(Binder& b, int64_t layer) override {
    if (layer == 0) {
      form_ = b.options().mla;
      layers_.reserve(static_cast<size_t>(c.n_layers + 1));  // fields must stay where they are
    }
    Layer& l = layers_.emplace_back();
    b.bind(l.attn_norm, "attn_norm.weight", "input_layernorm.weight", {c.dim});
    r1::bind(b, l.attn, c);
    b.bind(l.ffn_norm, "ffn_norm.weight", "post_attention_layernorm.weight", {c.dim});
    if (c.moe.is_moe(layer)) {
      r1::bind(b, l.moe, c);
    } else {
      r1::bind(b, l.dense, c);
    }
  }

  void bind_rest(Binder& b) override {
    if (c.n_mtp_layers == 0) return;
    b.prefix(fmt::format("blk.{}.", c.n_layers), fmt::format("model.layers.{}.", c.n_layers));
    if (!b.options().mtp || !has_mtp(b)) return b.ignore("", "");
    bind(b, c.n_layers);
    r1::bind(b, mtp_, c);
  }

  Tensor block(Context& ctx, Tensor h, const KvCache& kv,
               const Trace& trace) const override {  // h [T, dim]
    const Layer& l = layers_[static_cast<size_t>(kv.layer)];
    h = add(ctx, h, mla(ctx, c, form_, l.attn, rms_norm(ctx, h, l.attn_norm, c.norm_eps), kv));
    const Tensor u = rms_norm(ctx, h, l.ffn_norm, c.norm_eps);
    return add(ctx, h, l.moe.experts ? moe(ctx, c, l.moe, u, trace) : swiglu(ctx, l.dense, u));
  }

  MlaForm form_ = MlaForm::kAbsorbed;
  std::vector<Layer> layers_;  // n_layers, and the one of the prediction where it is loaded
  MtpWeights mtp_;
};

}  // namespace

std::unique_ptr<Decoder> make_deepseek_v3() { return std::make_unique<DeepSeekV3>(); }

}  // namespace r1
