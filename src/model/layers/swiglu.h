// The feed-forward layer of Llama and its kin: down(silu(gate x) * up x) (Shazeer 2020, eq. 6).
#pragma once

#include "model/binder.h"
#include "model/config.h"
#include "tensor/ops.h"

namespace r1 {

struct SwigluWeights {
  Weight gate, up, down;        // 2 x [inter_dim, dim], [dim, inter_dim]
  Tensor b_gate, b_up, b_down;  // none without bias
};

void bind(Binder& b, SwigluWeights& l, const Config& c);

// x [T, dim] -> [T, dim].
Tensor swiglu(Context& ctx, const SwigluWeights& l, const Tensor& x);

}  // namespace r1
