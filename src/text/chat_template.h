// Chat templates: the Jinja language as Hugging Face uses it (sandboxed, trim_blocks,
// lstrip_blocks, raise_exception, strftime_now, tojson as plain JSON). Templates are outside bytes:
// steps, depth, output and memory are limited.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

struct TemplateLimits {
  uint64_t steps = 5'000'000;     // evaluated nodes and loop turns
  int depth = 100;                // nesting of expressions, macros, data
  uint64_t output = 64ull << 20;  // bytes rendered, and bytes of any one value
};

class ChatTemplate {
 public:
  static Result<ChatTemplate> parse(std::string_view source);

  // variables: an object, e.g. {"messages": [...], "tools": [...], "add_generation_prompt": true,
  // "bos_token": "<s>"}. An error carries raise_exception's message, or the line and what was
  // wrong.
  Result<std::string> render(const nlohmann::ordered_json& variables,
                             const TemplateLimits& limits = {}) const;

  const std::string& source() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace r1
