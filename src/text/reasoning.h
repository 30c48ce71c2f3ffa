// Splits a stream of generated text into the thought (between <think> and </think>) and the answer.
// Starts from the rendered prompt, which may have opened the thought already (DeepSeek-R1's
// template). White space around the tags is dropped; tags inside an answer stay text. Linear in the
// text, however it is cut.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

class ReasoningSplitter {
 public:
  struct Piece {
    std::string thought, answer;  // what this call released; either may be empty
    // The model ended a thought that it had never opened (DeepSeek-R1 sometimes leaves <think>
    // out): all that was released as an answer before this tag was the thought. Happens at most
    // once, if </think> begins a line, no thought was seen and the answer holds no <think>; this
    // piece's answer may hold the end of that thought, up to `mistaken` bytes.
    bool answer_was_thought = false;
    size_t mistaken = 0;
  };
  // `prompt`: the rendered prompt; inside the thought if it ends with an open <think>.
  explicit ReasoningSplitter(std::string_view prompt, std::string_view open = "<think>",
                             std::string_view close = "</think>");

  // Holds back only what may be the beginning of a tag, or white space around one.
  Piece feed(std::string_view text);
  Piece finish();  // releases what was held: an unclosed thought stays a thought

  bool thinking() const;      // inside the thought now
  bool thought_seen() const;  // a thought was opened, by the prompt or the model

 private:
  enum class State { kStart, kThought, kAfterThought, kAnswer };

  void take(char c, Piece& piece);
  void take_start(char c, Piece& piece);
  void take_thought(char c, Piece& piece);
  void take_answer(char c, Piece& piece);
  void release_answer(char c, Piece& piece);

  std::string open_, close_;
  std::string tag_;      // held: the beginning of a tag
  std::string space_;    // held before it: dropped with a tag, else released
  std::string opening_;  // what of open_ the answer just said
  State state_ = State::kStart;
  bool opened_by_prompt_, seen_, thought_begun_ = false;
  bool line_start_ = true;  // of the answer
  bool plain_ = false;      // the answer holds an opening tag: it speaks about tags
};

}  // namespace r1
