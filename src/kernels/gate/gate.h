// The gate of a mixture of experts: from a token's logits to its experts and their weights, in F32
// (DeepSeek-V3, eq. 12 to 16 and node-limited routing; DeepSeek-V2, section 2.1.2):
//   s = sigmoid or softmax of the logits;  choice = s + bias
//   of the groups keep those that score best, by their best choice or the sum of their best two
//   take the n_used best choices among them;  weights = s there (without the bias), divided by
//   their sum + 1e-20 if norm, times scale.
// Equal scores: the lower id. Single-threaded, allocates nothing.
#pragma once

#include <cstdint>

namespace r1 {

constexpr int kMostExperts = 1024;

struct Gate {
  int n_experts = 0, n_used = 0;        // n_experts <= kMostExperts
  int n_groups = 1, n_groups_used = 1;  // equal groups of neighbours, that hold n_used experts
  bool sigmoid = false, top_two = false, norm = false;
  float scale = 1;
};

// logits [n_experts], bias [n_experts] or null -> experts [n_used], ascending, and their weights.
// Whatever the logits are, NaN included, the experts are different ids below n_experts.
void gate(const Gate& g, const float* logits, const float* bias, int32_t* experts, float* weights);

}  // namespace r1
