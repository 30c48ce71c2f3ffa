// Messages -> the text and ids of a prompt: what users and tools wrote is protected from being read
// as control tokens, the template renders, and thinking is turned on or off in the way the model
// knows.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "infer/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace r1 {

class PromptBuilder {
 public:
  // chat_template may be null: the prompt is then the last user message alone, as base models
  // complete it, after BOS where the tokenizer adds one. Both pointers must outlive this. `model`
  // names it in errors.
  PromptBuilder(const ChatTemplate* chat_template, const Tokenizer* tokenizer, std::string model);

  bool reasoning() const { return reasoning_; }  // template or vocabulary know <think>
  bool takes_tools() const;                      // the template has a place for them

  // Control tokens that users spell carry Tokenizer::kLiteral; readable() takes the marks out.
  //   Think::kOn   sets enable_thinking or thinking where the template takes them, else the prompt
  //   ends in an open
  //                "<think>\n"; an error for models that do not reason.
  //   Think::kOff  likewise, or else the prompt ends in an empty thought.
  // Calls of tools in messages have objects as arguments and their message a text, perhaps an empty
  // one; templates that want it otherwise get it so.
  // generation_prompt: the text ends where the assistant begins to speak.
  Result<std::string> render(const nlohmann::ordered_json& messages, Think think,
                             const nlohmann::ordered_json* tools,
                             bool generation_prompt = true) const;
  std::vector<int32_t> encode(std::string_view rendered) const;
  // The rendered text with what the assistant has already said; the thought is closed where there
  // is an answer. An error for a thought of models that do not reason.
  Result<std::string> continued(std::string rendered, const Begun& begun) const;
  // Whether a rendered text, continued by `begun` or not, ends inside a thought.
  static bool thinking(std::string_view rendered, const Begun* begun);
  // Whether the model may open a thought itself: it reasons, and none has been opened or closed.
  bool may_think(std::string_view rendered, const Begun* begun) const;

 private:
  const ChatTemplate* template_;
  const Tokenizer* tokenizer_;
  std::string model_;
  bool reasoning_;
};

std::string readable(std::string rendered);

}  // namespace r1
