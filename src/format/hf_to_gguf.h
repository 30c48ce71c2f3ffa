// A Hugging Face folder of a llama, qwen2 or qwen3 model as a GGUF file: tensor names, the row
// order llama.cpp expects of llama's queries and keys, hyper-parameters, tokenizer. Source:
// llama.cpp's conversion, its model loader, and the two formats' documentation.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "format/checkpoint.h"

namespace r1 {

// Refuses other architectures, rope scalings it cannot say in GGUF, and tensors it has no name for.
Result<Checkpoint> hf_to_gguf(const WeightFile& file);

// Hugging Face's name of a GGUF tensor of a dense model; none where there is none.
std::optional<std::string> hf_tensor_name(std::string_view gguf);

}  // namespace r1
