// Balance without a loss (arXiv 2408.15664; DeepSeek-V3, section 2.1.2): every expert has a bias
// that counts for the choice of experts alone. After a step it rises by a fixed rate where the
// expert was chosen less often than the mean, and falls where more often.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/model.h"

namespace r1 {

class ExpertBalance {
 public:
  // Of a model loaded to learn; without biases of gates there is nothing to balance.
  explicit ExpertBalance(const Model& model);

  // The experts a forward chose (Trace::experts), layer by layer from layer `first` with experts
  // on.
  void count(std::span<const std::vector<int32_t>> experts, size_t first = 0);
  size_t n_layers() const { return layers_.size(); }
  // How much more than the mean the busiest expert was chosen: max / mean - 1, the mean over the
  // layers (MaxVio of the paper). 0: all alike, or nothing counted.
  double violation() const;
  // Moves the biases by `rate` and counts anew.
  void step(double rate);

 private:
  struct Layer {
    Tensor bias;                 // [n_routed_experts]
    std::vector<int64_t> loads;  // tokens of each
  };
  std::vector<Layer> layers_;
};

}  // namespace r1
