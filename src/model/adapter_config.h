// adapter_config.json, PEFT's settings of an adapter, as far as they are low-rank updates alone.
#pragma once

#include <string_view>

#include "model/lora.h"

namespace r1 {

// Rank (1 to 2^16) and alpha. Errors: another kind of adapter, or a setting whose values would not
// be what is computed here (DoRA, rsLoRA, ranks that differ, whole modules, a bias).
Result<LoraOptions> parse_adapter_config(std::string_view text);

}  // namespace r1
