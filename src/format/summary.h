// What a checkpoint is, in a few facts, whatever its architecture and container: for `r1 show` and
// for servers that describe their models.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "format/parameters.h"
#include "format/weight_file.h"

namespace r1 {

struct TypeShare {
  uint64_t tensors = 0, elements = 0, bytes = 0;
};

struct Summary {
  std::string name;          // as the file calls itself, else the file's own name
  std::string architecture;  // "llama", "deepseek_v3", ...; "unknown" where the file does not say
  std::string licence;       // an identifier or a first line; "" where the file does not say
  std::optional<ParameterCount> parameters;
  std::optional<int64_t> context_length, layers, dim, heads, kv_heads, head_dim, vocab_size;
  std::optional<int64_t> experts, experts_used;
  std::map<DType, TypeShare> types;  // of the tensors
  std::string quantization;          // the type most elements have, or the one the config promises
  std::optional<double> bits_per_weight;  // all stored bytes over all elements but block scales
  std::optional<std::string> chat_template;
  bool chat = false, thinking = false,
       tools = false;  // judged by the template, thinking also by the vocabulary
};

// An error only where a fact that is there is unreadable as a whole, such as two templates without
// a default.
Result<Summary> summarize(const WeightFile& file);

}  // namespace r1
