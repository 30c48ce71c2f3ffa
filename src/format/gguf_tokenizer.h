// A Hugging Face tokenizer as GGUF's tokenizer.* keys: vocabulary and merges of tokenizer.json, the
// special tokens and the chat template of tokenizer_config.json. GGUF does not hold the splitting
// patterns but the name of a family (tokenizer.ggml.pre), so only the patterns of known families
// can be written.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "format/gguf_writer.h"
#include "format/weight_file.h"

namespace r1 {

// Adds the keys for the tokenizer in `folder`; ids up to `vocab_size` without a token become unused
// padding. A folder without tokenizer.json gets the model "none": it runs on ids alone.
Result<void> add_tokenizer(const WeightFile& folder, int64_t vocab_size, GgufMetadata& metadata);

}  // namespace r1
