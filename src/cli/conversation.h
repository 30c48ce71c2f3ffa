// A conversation: who said what, under which system prompt and parameters. Saved as JSON; a saved
// one is outside bytes and is checked field by field.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/parameters.h"

namespace r1 {

struct Message {
  std::string role;     // "user" or "assistant"
  std::string content;  // an assistant's answer, without its thought
  std::string thought;
};

struct Conversation {
  std::string model;   // path it was held with
  std::string system;  // "": none, which is what DeepSeek advises for R1
  Think think = Think::kAuto;
  ParameterValues parameters;
  std::vector<Message> messages;

  // What a chat template takes. Old thoughts stay out: templates drop them, and they would fill the
  // context.
  nlohmann::ordered_json for_template() const;

  std::string to_json() const;
  static Result<Conversation> from_json(std::string_view text);
};

}  // namespace r1
