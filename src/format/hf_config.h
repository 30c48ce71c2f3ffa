// The JSON files of a Hugging Face folder as metadata: flattened with dots, one spelling per fact.
// And the chat template, wherever a checkpoint keeps it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "format/weight_file.h"

namespace r1 {

inline constexpr uint64_t kJsonFileLimit = 16 << 20;   // bytes of a JSON file beside the weights
inline constexpr uint64_t kIndexFileLimit = 64 << 20;  // bytes of model.safetensors.index.json
inline constexpr size_t kJsonValuesLimit = 1 << 19;    // values in one file
inline constexpr size_t kJsonKeyLimit = 512;           // bytes of a flattened key

// {"a": {"b": 1}, "c": [2, 3]} becomes prefix + "a.b" = 1 and prefix + "c" = [2, 3]. null is an
// absent key, and
// "" inside an array; objects inside arrays become "c.0.b". Keys may still repeat.
Result<Metadata> flatten_json(std::string_view json, std::string_view prefix = "");

// config.json, flattened, its spellings brought to one:
//   "rope_parameters.*" -> "rope_theta" and "rope_scaling.*";   "rope_scaling.type" ->
//   "rope_scaling.rope_type"; "torch_dtype" -> "dtype".
// An old and a new spelling that disagree are an error.
Result<Metadata> parse_config(std::string_view json);

// The Jinja source of the default chat template; nullopt where the file has none. Places, first
// found wins:
//   GGUF: tokenizer.chat_template, then the templates named in tokenizer.chat_templates;
//   folder: chat_template.jinja, chat_template.json, tokenizer_config.json (a text, or a list of
//   named ones).
// Among named templates "default" is taken, or the only one.
Result<std::optional<std::string>> chat_template_source(const WeightFile& file);

}  // namespace r1
