// Experts that gradients pass through without changing them, each with a low-rank update or none
// (Weight::adapt). moe.h multiplies them one by one.
#pragma once

#include <memory>
#include <vector>

#include "tensor/experts.h"

namespace r1 {

// The updates of an expert's matrices: none where empty.
struct ExpertLora {
  Weight::Lora gate, up, down;
};
// `stored`: what `experts` were packed from; its bytes stay valid. One update each.
std::unique_ptr<Experts> adapted_experts(std::unique_ptr<Experts> experts,
                                         std::vector<StoredExpert> stored,
                                         std::vector<ExpertLora> updates);

}  // namespace r1
