// What becomes of the tokens drawn for one request: text, thought and answer, stop strings, the
// end; and the budget and the minimum of the thought, which change the tokens themselves. Knows
// nothing of threads and models.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/engine.h"
#include "infer/grammar/constraint.h"
#include "infer/stop_matcher.h"
#include "text/reasoning.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace r1 {

// The soft landing that closes a thought whose budget is spent, and what takes the place of a
// closing tag or an end while the thought is under its minimum (s1, arXiv 2501.19393, appends
// "Wait" likewise).
constexpr std::string_view kOpenThought = "<think>", kCloseThought = "</think>";
constexpr std::string_view kLanding = "\n</think>\n\n", kThinkOn = "\nWait,";

class Generation {
 public:
  // tokenizer: may be null, and must outlive this. rendered: the prompt's text, which may have
  // opened the thought. room: ids that may still join the sequence. end_ids: ids that end a turn.
  // constraint: what the answer keeps to; may_think: the model may open a thought before it.
  Generation(const Tokenizer* tokenizer, std::string_view rendered, const GenerateParams& params,
             int64_t room, std::span<const int32_t> end_ids,
             std::optional<Constraint> constraint = std::nullopt, bool may_think = false);

  struct Step {
    int64_t drop = 0;             // ids taken back from the end of the sequence
    std::vector<int32_t> append;  // ids that join it then, in place of the drawn one or just it
    Piece piece;                  // what may be shown now
    std::optional<FinishReason> finished;
  };
  // A token was drawn. Not to be called again after `finished`.
  Step take(const Sampled& drawn);
  // What may be drawn next, if `guessed` come before it; null: anything, or they may not come.
  std::shared_ptr<const TokenMask> mask(std::span<const int32_t> guessed = {});
  // Ends it from outside: what was held back.
  Piece finish();

  const std::string& stopped_by() const { return stops_.stopped_by(); }
  int64_t generated_tokens() const { return generated_; }  // ids that joined, the end id included
  int64_t thought_tokens() const {
    return thought_;
  }  // those of the thought, its closing tag included
  int64_t held_tokens() const { return std::ssize(held_); }  // counted above, and not told yet

 private:
  struct Held {
    Sampled token;
    std::string text;
  };

  Step advance(const Sampled& drawn);
  bool is_end(int32_t id) const;
  void record(const Sampled& token);
  std::string text_of(int32_t id);
  std::vector<int32_t> encode(std::string_view text) const;
  bool half_said() const;
  void accept(const Sampled& token, Step& step);
  void accept_forced(std::string_view text, Step& step);
  void think_on(Step& step);
  std::string take_back(Step& step);
  bool constrained() const { return constraint_ && !splitter_.thinking(); }
  bool begin_answer(std::string_view after_thought);
  std::string_view shown(int32_t id) const;
  void show(std::string_view text, Piece& piece);
  void add(ReasoningSplitter::Piece split, Piece& piece);
  void flush(Piece& piece);

  const Tokenizer* tokenizer_;
  const GenerateParams params_;
  const std::vector<int32_t> end_ids_;
  int64_t limit_;  // of generated_, and what reaching it is called
  FinishReason at_limit_;
  bool can_force_ = false;  // the vocabulary can say kLanding and kThinkOn
  StreamDecoder decoder_;
  ReasoningSplitter splitter_;
  StopMatcher stops_;
  std::deque<Held>
      held_;  // tokens of the thought whose text may be the beginning of its closing tag
  std::vector<Sampled> unreleased_;  // tokens that no piece has carried yet
  std::optional<Constraint> constraint_;
  bool within_character_ = false;
  int64_t generated_ = 0, thought_ = 0;
};

}  // namespace r1
