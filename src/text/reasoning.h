// Splits a stream of generated text into the thought (between <think> and </think>) and the answer.
// Starts from the rendered prompt, which may have opened the thought already (DeepSeek-R1's template).
#pragma once

#include <string>
#include <string_view>

namespace r1 {

class ReasoningSplitter {
 public:
  struct Piece {
    std::string thought, answer;  // what this call released; either may be empty
  };
  // `prompt`: the rendered prompt; inside the thought if it ends with an open <think>.
  explicit ReasoningSplitter(std::string_view prompt, std::string_view open = "<think>",
                             std::string_view close = "</think>");

  // Holds back only what may be the beginning of a tag, or white space around one.
  Piece feed(std::string_view text);
  Piece finish();  // releases what was held: an unclosed thought stays a thought

  bool thinking() const;       // inside the thought now
  bool thought_seen() const;   // a thought was opened, by the prompt or the model

 private:
  std::string open_, close_, held_;
  enum class State { kStart, kThought, kAfterThought, kAnswer } state_;
  bool seen_ = false;
};

}  // namespace r1
