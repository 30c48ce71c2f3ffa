// What the golden tests of training share: a model that learns, and the settings of PyTorch's ten
// steps.
#pragma once

#include "tests/golden/golden.h"
#include "train/learner.h"

namespace r1 {

inline std::unique_ptr<Model> load_to_learn(const std::string& path, DType dtype, Context& ctx) {
  LoadOptions options;
  options.compute = Compute::kF32;
  options.learn = dtype;
  return load_model(path, options, ctx);
}

// golden: golden.json.
inline Learner::Options golden_learner(const nlohmann::json& golden) {
  const nlohmann::json& settings = golden["adamw"];
  Learner::Options options;
  options.adamw = {.lr = settings["lr"],
                   .beta1 = settings["betas"][0],
                   .beta2 = settings["betas"][1],
                   .eps = settings["eps"],
                   .weight_decay = settings["weight_decay"]};
  options.clip_norm = settings["clip_norm"];
  return options;
}

}  // namespace r1
