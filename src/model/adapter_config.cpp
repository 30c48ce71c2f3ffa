#include "model/adapter_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace r1 {

using nlohmann::json;

Result<LoraOptions> parse_adapter_config(std::string_view text) {
  const json config = json::parse(text, nullptr, false);
  if (!config.is_object()) return error("not a JSON object");
  const auto kind = config.find("peft_type");
  if (kind == config.end() || *kind != "LORA") return error("peft_type is not LORA");
  for (const char* key : {"use_dora", "use_rslora", "fan_in_fan_out"}) {
    const auto flag = config.find(key);
    if (flag != config.end() && flag->is_boolean() && flag->get<bool>())
      return error("{}: not known here", key);
  }
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save"}) {
    const auto pattern = config.find(key);
    if (pattern != config.end() && !pattern->empty()) return error("{}: not known here", key);
  }
  if (const auto bias = config.find("bias"); bias != config.end() && *bias != "none")
    return error("bias: {}: not known here",
                 bias->dump(-1, ' ', true, json::error_handler_t::replace));
  const auto rank = config.find("r"), alpha = config.find("lora_alpha");
  if (rank == config.end() || !rank->is_number_integer() || *rank < 1 || *rank > 1 << 16)
    return error("r is no rank");
  if (alpha == config.end() || !alpha->is_number()) return error("lora_alpha is no number");
  LoraOptions options;
  options.rank = rank->get<int64_t>();
  options.alpha = alpha->get<double>();
  if (std::abs(options.alpha) > 1e9) return error("lora_alpha is {}", options.alpha);
  return options;
}

}  // namespace r1
