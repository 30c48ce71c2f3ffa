#include "text/reasoning.h"

#include <utility>

namespace r1 {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool ends_open(std::string_view prompt, std::string_view open) {
  while (!prompt.empty() && is_space(prompt.back())) prompt.remove_suffix(1);
  return prompt.ends_with(open);
}

}  // namespace

ReasoningSplitter::ReasoningSplitter(std::string_view prompt, std::string_view open,
                                     std::string_view close)
    : open_(open),
      close_(close),
      opened_by_prompt_(ends_open(prompt, open)),
      seen_(opened_by_prompt_) {}

bool ReasoningSplitter::thinking() const {
  return state_ == State::kThought || (state_ == State::kStart && opened_by_prompt_);
}

bool ReasoningSplitter::thought_seen() const { return seen_; }

ReasoningSplitter::Piece ReasoningSplitter::feed(std::string_view text) {
  Piece piece;
  for (const char c : text) take(c, piece);
  return piece;
}

ReasoningSplitter::Piece ReasoningSplitter::finish() {
  Piece piece;
  (thinking() ? piece.thought : piece.answer) = std::exchange(space_, {}) + std::exchange(tag_, {});
  return piece;
}

void ReasoningSplitter::take(char c, Piece& piece) {
  switch (state_) {
    case State::kStart:
      return take_start(c, piece);
    case State::kThought:
      return take_thought(c, piece);
    case State::kAfterThought:
      if (is_space(c)) return;
      state_ = State::kAnswer;
      return take_answer(c, piece);
    case State::kAnswer:
      return take_answer(c, piece);
  }
}

// Before the first word: an opening tag, which a model may also repeat where the prompt has opened
// the thought.
void ReasoningSplitter::take_start(char c, Piece& piece) {
  if (tag_.empty() && is_space(c)) {
    if (!opened_by_prompt_) space_ += c;
    return;
  }
  tag_ += c;
  if (tag_ == open_) {
    tag_.clear();
    space_.clear();
    seen_ = true;
    state_ = State::kThought;
  } else if (!open_.starts_with(tag_)) {
    state_ = opened_by_prompt_ ? State::kThought : State::kAnswer;
    for (const char held : std::exchange(space_, {}) + std::exchange(tag_, {})) take(held, piece);
  }
}

void ReasoningSplitter::take_thought(char c, Piece& piece) {
  tag_ += c;
  size_t released = 0;  // until the rest may begin the tag
  while (!close_.starts_with(std::string_view(tag_).substr(released))) ++released;
  for (const char held : tag_.substr(0, released)) {
    if (is_space(held)) {
      if (thought_begun_) space_ += held;
      continue;
    }
    thought_begun_ = true;
    piece.thought += std::exchange(space_, {});
    piece.thought += held;
  }
  tag_.erase(0, released);
  if (tag_ != close_) return;
  tag_.clear();
  space_.clear();
  state_ = State::kAfterThought;
}

void ReasoningSplitter::take_answer(char c, Piece& piece) {
  const bool watching = !seen_ && !plain_;
  if (!watching || (tag_.empty() && !(line_start_ && c == close_[0])))
    return release_answer(c, piece);
  tag_ += c;
  if (tag_ == close_) {
    tag_.clear();
    seen_ = true;
    state_ = State::kAfterThought;
    piece.answer_was_thought = true;
    piece.mistaken = piece.answer.size();
  } else if (!close_.starts_with(tag_)) {
    for (const char held : std::exchange(tag_, {})) release_answer(held, piece);
  }
}

void ReasoningSplitter::release_answer(char c, Piece& piece) {
  piece.answer += c;
  line_start_ = c == '\n';
  if (seen_ || plain_) return;
  opening_ += c;
  while (!open_.starts_with(opening_)) opening_.erase(0, 1);
  plain_ = opening_ == open_;
}

}  // namespace r1
