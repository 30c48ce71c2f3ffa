// The definition is fast enough: a few microseconds a token.
#include "kernels/gate/gate.h"

#include <algorithm>
#include <bitset>
#include <cmath>

namespace r1 {
namespace {

using Set = std::bitset<kMostExperts>;

void score(const Gate& g, const float* logits, float* s) {
  const int n = g.n_experts;
  if (g.sigmoid) {
    for (int i = 0; i < n; ++i) s[i] = 1 / (1 + std::exp(-logits[i]));
    return;
  }
  const float top = *std::max_element(logits, logits + n);
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += s[i] = std::exp(logits[i] - top);
  for (int i = 0; i < n; ++i) s[i] /= sum;
}

// The `count` largest of the n values that `allowed` admits.
Set largest(const float* values, int n, int count, const Set& allowed) {
  Set taken;
  for (int k = 0; k < count; ++k) {
    int best = -1;
    for (int i = 0; i < n; ++i) {
      if (!allowed[static_cast<size_t>(i)] || taken[static_cast<size_t>(i)]) continue;
      if (best < 0 || values[i] > values[best]) best = i;
    }
    if (best >= 0) taken.set(static_cast<size_t>(best));
  }
  return taken;
}

// The experts of the groups that score best.
Set allowed_experts(const Gate& g, const float* choice) {
  if (g.n_groups == 1) return Set().set();
  const int size = g.n_experts / g.n_groups;
  float groups[kMostExperts];
  for (int i = 0; i < g.n_groups; ++i) {
    const float* of_group = choice + i * size;
    const int first = static_cast<int>(std::max_element(of_group, of_group + size) - of_group);
    groups[i] = of_group[first];
    if (!g.top_two || size == 1) continue;
    const int other = first == 0 ? 1 : 0;
    float second = of_group[other];
    for (int j = other + 1; j < size; ++j) {
      if (j != first) second = std::max(second, of_group[j]);
    }
    groups[i] += second;
  }
  const Set kept = largest(groups, g.n_groups, g.n_groups_used, Set().set());
  Set allowed;
  for (int i = 0; i < g.n_experts; ++i) {
    if (kept[static_cast<size_t>(i / size)]) allowed.set(static_cast<size_t>(i));
  }
  return allowed;
}

}  // namespace

void gate(const Gate& g, const float* logits, const float* bias, int32_t* experts, float* weights) {
  float s[kMostExperts], choice[kMostExperts];
  score(g, logits, s);
  for (int i = 0; i < g.n_experts; ++i) choice[i] = bias ? s[i] + bias[i] : s[i];
  const Set chosen = largest(choice, g.n_experts, g.n_used, allowed_experts(g, choice));
  float sum = 0;
  for (int i = 0, k = 0; i < g.n_experts; ++i) {
    if (!chosen[static_cast<size_t>(i)]) continue;
    experts[k] = i;
    sum += weights[k++] = s[i];
  }
  const float factor = g.norm ? g.scale / (sum + 1e-20f) : g.scale;
  for (int k = 0; k < g.n_used; ++k) weights[k] *= factor;
}

}  // namespace r1
