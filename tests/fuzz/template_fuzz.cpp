// Chat templates: whatever the source, parsing and rendering end soon, within their limits, in a
// text or an error.
#include <nlohmann/json.hpp>
#include <string_view>

#include "text/chat_template.h"

namespace {

const nlohmann::ordered_json& variables() {
  static const auto kVariables = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi \u00e9 \u65e5\u672c"},
                 {"role": "assistant", "content": null, "tool_calls": [{"type": "function", "id": "1",
                  "function": {"name": "f", "arguments": {"x": 1.5, "y": [true, null]}}}]},
                 {"role": "tool", "content": "7"}, {"role": "assistant", "content": "<think>\na\n</think>\n\nb"}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "l": [3, 1, 2], "n": 5, "f": 0.5})");
  return kVariables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = r1::ChatTemplate::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  r1::TemplateLimits limits;
  limits.steps = 20'000;
  limits.output = 1 << 16;
  const auto rendered = parsed->render(variables(), limits);
  if (rendered && rendered->size() > limits.output) __builtin_trap();
  return 0;
}
