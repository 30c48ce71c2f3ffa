#include "model/layers/swiglu.h"

namespace r1 {

void bind(Binder& b, SwigluWeights& l, const Config& c) {
  b.bind(l.gate, "ffn_gate.weight", "mlp.gate_proj.weight", {c.inter_dim, c.dim});
  b.bind(l.up, "ffn_up.weight", "mlp.up_proj.weight", {c.inter_dim, c.dim});
  b.bind(l.down, "ffn_down.weight", "mlp.down_proj.weight", {c.dim, c.inter_dim});
  if (c.mlp_bias) {
    b.bind(l.b_gate, "ffn_gate.bias", "mlp.gate_proj.bias", {c.inter_dim});
    b.bind(l.b_up, "ffn_up.bias", "mlp.up_proj.bias", {c.inter_dim});
    b.bind(l.b_down, "ffn_down.bias", "mlp.down_proj.bias", {c.dim});
  }
}

Tensor swiglu(Context& ctx, const SwigluWeights& l, const Tensor& x) {
  const Tensor h = swiglu(ctx, x, {l.gate, l.b_gate}, {l.up, l.b_up});  // [T, inter_dim]
  return linear(ctx, h, l.down, l.b_down);
}

}  // namespace r1
