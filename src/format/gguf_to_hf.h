// A GGUF file of a llama, qwen2 or qwen3 model as a Hugging Face folder: the way back of
// hf_to_gguf.h. What GGUF does not say as config.json does (Llama 3's rope) is refused.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "format/gguf_tokenizer.h"
#include "format/weight_file.h"

namespace r1 {

// A tensor under its name in Hugging Face. Of GGUF's llama the rows of queries and keys are pairs
// beside each other, of `heads` heads; 0: rows stay where they are.
struct HfTensor {
  std::string name;
  const TensorInfo* from = nullptr;
  int64_t heads = 0;
};

struct HfFolder {
  std::vector<TextFile> files;  // config.json, generation_config.json, the tokenizer's
  std::vector<HfTensor> tensors;
};

// Borrows `gguf`. Errors name the key or the tensor.
Result<HfFolder> gguf_to_hf(const WeightFile& gguf);

// values [rows, cols] of such a tensor, into Hugging Face's order of rows.
void reorder_rows(std::vector<float>& values, int64_t rows, int64_t heads);

}  // namespace r1
