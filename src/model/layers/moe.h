// DeepSeekMoE (DeepSeek-V3 technical report, eq. 12 to 16; DeepSeekMoE, Dai et al. 2024): of many
// small experts a few are chosen for each token, beside one that serves all.
#pragma once

#include <memory>

#include "model/binder.h"
#include "model/config.h"
#include "tensor/experts.h"

namespace r1 {

struct MoeWeights {
  Weight gate;       // the centroids e_i [n_routed_experts, dim], multiplied in F32
  Tensor gate_bias;  // b_i [n_routed_experts], none without
  std::unique_ptr<Experts> experts;
  Expert shared;  // of width n_shared_experts * moe_inter_dim, none without
};

void bind(Binder& b, MoeWeights& l, const Config& c);

// u [T, dim] -> [T, dim]: the sum of eq. 12 without u_t itself.
Tensor moe(Context& ctx, const Config& c, const MoeWeights& l, const Tensor& u, const Trace& trace);

}  // namespace r1
