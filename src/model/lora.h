// Low-rank updates of a model's weights (LoRA: Hu et al. 2021), asked for by name; and the adapters
// that PEFT writes and reads. A model file knows nothing of them (law 2).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

// The values of one update: a [r, cols], b [rows, r].
struct LoraValues {
  std::vector<float> a, b;
};

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;  // the update is scaled by alpha / rank
  // Which weights: patterns (* and ?) of their names in GGUF or Hugging Face, or of the last part
  // alone ("q_proj", "attn_q").
  std::vector<std::string> match = {};
  uint64_t seed = 0;  // A is drawn Kaiming-uniform by (seed, name, element); B is 0
  // Or exactly these weights, by their names in the file.
  std::map<std::string, LoraValues> given = {};

  double scale() const { return alpha / static_cast<double>(rank); }
};

// The parameters of an updated weight are its name and these.
inline constexpr const char* kLoraA = ".lora_a";
inline constexpr const char* kLoraB = ".lora_b";

// PEFT's folder: adapter_config.json and adapter_model.safetensors, for the model `base`. Errors:
// another kind of adapter, ranks that differ, a tensor that the model has not.
Result<LoraOptions> read_adapter(const std::string& folder, const WeightFile& base);

// Writes such a folder, whole or not at all. `trained`: F32, NAME.lora_a and NAME.lora_b under the
// names of `base`.
Result<void> write_adapter(const WeightFile& base, std::span<const TensorInfo> trained,
                           const LoraOptions& options, const std::string& folder);

}  // namespace r1
