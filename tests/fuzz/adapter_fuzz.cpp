// adapter_config.json: any bytes are a rank and a scale that can be computed with, or an error.
#include <cmath>
#include <string_view>

#include "model/adapter_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto lora = r1::parse_adapter_config({reinterpret_cast<const char*>(data), size});
  if (lora && (lora->rank < 1 || lora->rank > 1 << 16 || !std::isfinite(lora->scale())))
    __builtin_trap();
  return 0;
}
