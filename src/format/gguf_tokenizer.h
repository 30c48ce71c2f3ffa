// A Hugging Face tokenizer as GGUF's tokenizer.* keys, and back: vocabulary and merges of
// tokenizer.json, the special tokens and the chat template of tokenizer_config.json. GGUF does not
// hold the splitting patterns but the name of a family (tokenizer.ggml.pre), so only the patterns
// of known families can be written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "format/gguf_writer.h"
#include "format/weight_file.h"

namespace r1 {

// Adds the keys for the tokenizer in `folder`; ids up to `vocab_size` without a token become unused
// padding. A folder without tokenizer.json gets the model "none": it runs on ids alone.
Result<void> add_tokenizer(const WeightFile& folder, int64_t vocab_size, GgufMetadata& metadata);

// The files that say a GGUF's tokenizer in a Hugging Face folder: none where it has none. Errors: a
// tokenizer that is no byte-level BPE, a family without a known pattern, texts that are no UTF-8.
struct TextFile {
  std::string name, text;
};
Result<std::vector<TextFile>> tokenizer_files(const WeightFile& gguf);

}  // namespace r1
