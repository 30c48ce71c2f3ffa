// What was trained, as a model that anything can load: a Hugging Face folder (config, tokenizer and
// chat template as the source has them), or a GGUF file in any type that `r1 quantize` writes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "format/weight_file.h"
#include "model/model.h"
#include "train/recipe.h"
#include "train/setup.h"

namespace r1 {

struct ExportOptions {
  std::string type = "f32";        // of a folder: f32 or bf16; of GGUF: a mix of `r1 quantize`
  double lora_scale = 0;           // alpha / r, where low-rank updates are among what was trained
  std::string chat_template = {};  // instead of the source's; "": that one
};

// The parameters of a model that learns, borrowed; of a checkpoint: its tensors "model/NAME"
// without that prefix.
std::vector<TensorInfo> trained_tensors(const Model& model);
std::vector<TensorInfo> trained_tensors(std::span<const TensorInfo> of_checkpoint);

// Writes `source`, the file that training began with (or a config.json), with the tensors
// `trained` (F32, under the source's names) instead of its own; updates NAME.lora_a and NAME.lora_b
// are merged into the exact values of NAME. `out` that ends in .gguf is a file, any other a folder.
// Whole or not at all. Errors: a GGUF that cannot be a folder (format/gguf_to_hf.h); a type that is
// not known; a tensor of another shape than the source's.
Result<void> export_model(const WeightFile& source, std::span<const TensorInfo> trained,
                          const ExportOptions& options, const std::string& out,
                          ThreadPool& threads);

// At the end of a run: OUT/model (a folder) or OUT/model.gguf, as the source is; OUT/adapter where
// low-rank updates were trained. Returns its path.
Result<std::string> export_run(const Recipe& recipe, const TrainedModel& trained);

}  // namespace r1
