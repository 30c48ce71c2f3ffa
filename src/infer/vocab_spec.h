// The tokenizer of a checkpoint: GGUF's tokenizer.ggml.* keys, or tokenizer.json and
// tokenizer_config.json beside the weights.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "format/weight_file.h"
#include "text/tokenizer.h"

namespace r1 {

// The strings of the result point into the file's mapping.
Result<VocabSpec> read_vocab_spec(const WeightFile& file);

// False for a checkpoint that is used on ids alone.
Result<bool> has_tokenizer(const WeightFile& file);

// Nothing for such a checkpoint.
Result<std::optional<Tokenizer>> find_tokenizer(const WeightFile& file);

// An error where the checkpoint has none, or one that is not supported.
Result<Tokenizer> load_tokenizer(const WeightFile& file);

// `path`: a checkpoint, a folder with a tokenizer.json, or a tokenizer.json (tokenizer_config.json
// beside it is read too).
Result<Tokenizer> open_tokenizer(const std::string& path);

}  // namespace r1
