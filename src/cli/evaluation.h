// What the commands that measure a model share: its flags, and loading it with a progress bar.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/progress.h"
#include "model/model.h"

namespace CLI {
class App;
}

namespace r1 {

struct EvaluationOptions {
  std::string model, adapter;  // adapter: PEFT's folder, "": none
  Compute compute = Compute::kFast;
  std::optional<DType> kv;  // default: F32 with Compute::kF32, else F16
  int threads = 0;          // 0: all cores
  MlaForm mla = MlaForm::kAbsorbed;
  bool mtp = false;  // load the layer of multi-token prediction

  DType kv_dtype() const {
    return kv.value_or(compute == Compute::kF32 ? DType::kF32 : DType::kF16);
  }
};

// MODEL --adapter --compute --kv --mla --threads. `options` must outlive the parsing.
void add_evaluation_options(CLI::App& app, EvaluationOptions& options);
// The same with --model, for commands whose first word is another.
void add_named_model_options(CLI::App& app, EvaluationOptions& options);

Result<std::unique_ptr<Model>> load_model(const WeightFile& file, const EvaluationOptions& options,
                                          Context& ctx);

}  // namespace r1
