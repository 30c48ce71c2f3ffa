// A Hugging Face folder of a llama, qwen2 or qwen3 model as a GGUF file: tensor names, the row
// order llama.cpp expects of llama's queries and keys, hyper-parameters, tokenizer. Source:
// llama.cpp's conversion, its model loader, and the two formats' documentation.
#pragma once

#include "base/error.h"
#include "format/checkpoint.h"

namespace r1 {

// Refuses other architectures, rope scalings it cannot say in GGUF, and tensors it has no name for.
Result<Checkpoint> hf_to_gguf(const WeightFile& file);

}  // namespace r1
