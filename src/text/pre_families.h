// The pre-tokenizers GGUF names in tokenizer.ggml.pre, as the original tokenizer.json files define
// them.
#pragma once

#include <string_view>

#include "base/error.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"

namespace r1 {

struct PreFamily {
  Normalizer normalizer;
  PreTokenizer pretokenizer;
  bool ignore_merges = false;
};

// An error lists the names that are known.
Result<PreFamily> pre_family(std::string_view name);

}  // namespace r1
