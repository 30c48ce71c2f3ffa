#include "train/expert_balance.h"

#include <algorithm>
#include <numeric>

namespace r1 {

ExpertBalance::ExpertBalance(const Model& model) {
  for (const ModelParameter& p : model.parameters()) {
    // No gradient flows to the biases alone; they are in the order of the layers.
    if (p.by_gradient) continue;
    layers_.push_back({p.values, std::vector<int64_t>(static_cast<size_t>(p.values.size()))});
  }
}

void ExpertBalance::count(std::span<const std::vector<int32_t>> experts, size_t first) {
  if (layers_.empty()) return;
  R1_CHECK(first + experts.size() <= layers_.size());
  for (size_t l = 0; l < experts.size(); ++l) {
    for (const int32_t id : experts[l]) ++layers_[first + l].loads[static_cast<size_t>(id)];
  }
}

double ExpertBalance::violation() const {
  double sum = 0, counted = 0;
  for (const Layer& l : layers_) {
    const auto total = std::accumulate(l.loads.begin(), l.loads.end(), int64_t{0});
    if (total == 0) continue;
    const auto n = static_cast<double>(l.loads.size());
    sum +=
        static_cast<double>(*std::ranges::max_element(l.loads)) * n / static_cast<double>(total) -
        1;
    ++counted;
  }
  return counted > 0 ? sum / counted : 0;
}

void ExpertBalance::step(double rate) {
  for (Layer& l : layers_) {
    const auto n = static_cast<int64_t>(l.loads.size());
    const auto total = std::accumulate(l.loads.begin(), l.loads.end(), int64_t{0});
    for (int64_t e = 0; e < n; ++e) {
      const int64_t load = l.loads[static_cast<size_t>(e)] * n;  // of n * mean, exactly
      if (load != total) l.bias.data()[e] += static_cast<float>(load < total ? rate : -rate);
    }
    std::ranges::fill(l.loads, 0);
  }
}

}  // namespace r1
