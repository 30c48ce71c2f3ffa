// A mixture of experts over a batch: every token to its experts, every expert's weights read once.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/gate/gate.h"
#include "tensor/experts.h"
#include "tensor/tensor.h"

namespace r1 {

// Of each of T tokens n_used experts, ascending, and what each counts.
struct Routing {
  int64_t n_used = 0;
  std::vector<int32_t> experts;  // [T, n_used]
  Tensor weights;                // [T, n_used]
};

// logits [T, n_experts], bias [1, n_experts] or none.
Routing route(Context& ctx, const Gate& g, const Tensor& logits, const Tensor& bias);

// y_t = sum over t's experts of weight * expert(x_t), then + shared(x_t) where there is one: added
// in the order of ids, the shared one last, whatever batch a token is in and however many experts
// `experts` gives at a time (law 1). x [T, dim] -> [T, dim].
Tensor mix_experts(Context& ctx, const Tensor& x, const Routing& routing, Experts& experts,
                   const Expert& shared);

// Their gradients, noted on an open tape (backward.h).
void record_route(Context& ctx, const Gate& g, const Tensor& logits, const Routing& routing);
// Experts and the rows they met: expert i the rows [starts[i], starts[i + 1]), row r being token
// tokens[r], or r itself where tokens is empty. What they made of them: gate x, up x [rows, inter].
struct ExpertRows {
  std::vector<Expert> experts;
  std::vector<int64_t> starts, tokens;
  Tensor gate, up;
};
// `routed`, whose rows stand in slots [T, n_used] of the routing, and `shared`, of no expert or
// one.
void record_mix_experts(Context& ctx, const Tensor& x, const Routing& routing, ExpertRows routed,
                        std::vector<int64_t> slots, ExpertRows shared, const Tensor& y);
// y_t = sum of weights [T, n_used] times rows of `outputs`, which stand one below the other: choice
// i's is row slots[i] of them.
void record_weighted_sum(Context& ctx, std::vector<Tensor> outputs, std::vector<int64_t> slots,
                         const Tensor& weights, const Tensor& y);

}  // namespace r1
