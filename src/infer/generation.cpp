#include "infer/generation.h"

#include <algorithm>
#include <iterator>

namespace r1 {

Generation::Generation(const Tokenizer* tokenizer, std::string_view rendered,
                       const GenerateParams& params, int64_t room, std::span<const int32_t> end_ids,
                       std::optional<Constraint> constraint, bool may_think)
    : tokenizer_(tokenizer),
      params_(params),
      end_ids_(end_ids.begin(), end_ids.end()),
      splitter_(rendered, kOpenThought, kCloseThought),
      stops_(params.stop),
      constraint_(std::move(constraint)) {
  const bool counted = params.max_tokens >= 0 && params.max_tokens <= room;
  limit_ = counted ? params.max_tokens : room;
  at_limit_ = counted ? FinishReason::kLength : FinishReason::kContext;
  can_force_ = !encode(kLanding).empty() && !encode(kThinkOn).empty();
  if (constraint_)
    constraint_->begin(may_think && params.split_thought ? Grammar::kMayThink : Grammar::kAtOnce);
}

Generation::Step Generation::take(const Sampled& drawn) {
  Step step = advance(drawn);
  if (constraint_) constraint_->tidy();
  return step;
}

Generation::Step Generation::advance(const Sampled& drawn) {
  Step step;
  const bool thinking = can_force_ && splitter_.thinking();
  const bool too_early = thinking && thought_ < params_.think_minimum;
  const bool spent =
      thinking && params_.think_budget >= 0 && thought_ >= params_.think_budget && !half_said();
  if (is_end(drawn.id) && !too_early) {
    ++generated_;
    if (splitter_.thinking()) ++thought_;
    record(drawn);
    step.append.push_back(drawn.id);
    step.finished = FinishReason::kStop;
  } else if (spent) {
    accept_forced(kLanding, step);
  } else if (is_end(drawn.id)) {
    think_on(step);
  } else {
    accept(drawn, step);
  }
  if (!step.finished && stops_.stopped()) step.finished = FinishReason::kStop;
  if (!step.finished && constrained() && constraint_->complete())
    step.finished = FinishReason::kStop;
  if (!step.finished && generated_ >= limit_) step.finished = at_limit_;
  if (step.finished) flush(step.piece);
  if (step.finished || !step.piece.thought.empty() || !step.piece.answer.empty()) {
    const auto kept = std::min(held_.size(), unreleased_.size());
    const auto end = unreleased_.end() - static_cast<std::ptrdiff_t>(kept);
    step.piece.tokens.assign(std::make_move_iterator(unreleased_.begin()),
                             std::make_move_iterator(end));
    unreleased_.erase(unreleased_.begin(), end);
  }
  return step;
}

std::shared_ptr<const TokenMask> Generation::mask(std::span<const int32_t> guessed) {
  if (!constraint_) return nullptr;
  if (guessed.empty()) return constrained() ? constraint_->mask() : nullptr;
  Generation ahead = *this;
  for (const int32_t id : guessed) {
    const auto allowed = ahead.mask();
    if (allowed && !allows(*allowed, id)) return nullptr;
    if (ahead.advance({.id = id, .logprob = 0, .top = {}}).finished) return nullptr;
  }
  return ahead.mask();
}

Piece Generation::finish() {
  Piece piece;
  flush(piece);
  piece.tokens = std::move(unreleased_);
  return piece;
}

void Generation::record(const Sampled& token) {
  if (params_.top_logprobs >= 0) unreleased_.push_back(token);
}

bool Generation::is_end(int32_t id) const {
  return std::find(end_ids_.begin(), end_ids_.end(), id) != end_ids_.end();
}

// Control tokens are not for reading, but for the tags of the thought.
std::string_view Generation::shown(int32_t id) const {
  if (!tokenizer_ || id >= tokenizer_->size()) return "";
  const std::string_view bytes = tokenizer_->bytes(id);
  const bool tag = bytes == kOpenThought || bytes == kCloseThought;
  return tokenizer_->kind(id) == TokenKind::kControl && !tag ? "" : bytes;
}

std::string Generation::text_of(int32_t id) {
  const std::string_view bytes = shown(id);
  std::string text = decoder_.feed(bytes);
  within_character_ = text.empty() && !bytes.empty();
  return text;
}

std::vector<int32_t> Generation::encode(std::string_view text) const {
  return tokenizer_ ? tokenizer_->encode(text, true) : std::vector<int32_t>{};
}

// A closing tag or a character of which the rest is still to be drawn is not cut in two.
bool Generation::half_said() const { return within_character_ || !held_.empty(); }

void Generation::accept(const Sampled& token, Step& step) {
  ++generated_;
  step.append.push_back(token.id);
  record(token);
  if (constrained()) R1_CHECK(constraint_->take(shown(token.id)));
  std::string text = text_of(token.id);
  if (!splitter_.thinking()) return show(text, step.piece);

  ++thought_;
  held_.push_back({token, std::move(text)});
  std::string said;
  for (const Held& h : held_) said += h.text;
  const bool closed = said.find(kCloseThought) != std::string::npos;
  const bool too_early = thought_ - std::ssize(held_) < params_.think_minimum;
  if (closed && too_early && can_force_) return think_on(step);
  if (closed && constraint_) {
    const size_t end = said.find(kCloseThought) + kCloseThought.size();
    std::string bytes;  // of all tokens of the tag: the decoder may hold some that come after it
    for (const Held& h : held_) bytes += shown(h.token.id);
    const std::string_view after = std::string_view(bytes).substr(
        std::min(bytes.find(kCloseThought) + kCloseThought.size(), bytes.size()));
    if (!begin_answer(after)) {
      take_back(step);
      return accept_forced(said.substr(0, end), step);
    }
  }
  // Whole tokens are held from the first that may begin the tag, so that they can be taken back
  // together.
  size_t release = closed ? said.size() : said.size() - possible_beginning(said, kCloseThought);
  while (!held_.empty() && held_.front().text.size() <= release) {
    release -= held_.front().text.size();
    show(held_.front().text, step.piece);
    held_.pop_front();
  }
}

void Generation::accept_forced(std::string_view text, Step& step) {
  for (const int32_t id : encode(text)) {
    if (generated_ >= limit_) return;
    accept({.id = id, .logprob = 0, .top = {}}, step);
  }
}

// The first bytes of the answer, which came in one token with the end of the thought.
bool Generation::begin_answer(std::string_view after_thought) {
  constraint_->begin(Grammar::kAfterThought);
  return after_thought.empty() || constraint_->take(after_thought) || !can_force_;
}

// Takes the tokens of the closing tag back: their text.
std::string Generation::take_back(Step& step) {
  std::string said;
  for (const Held& h : held_) said += h.text;
  const auto taken = std::ssize(held_);
  const auto fresh =
      std::min(taken, std::ssize(step.append));  // those that never joined the sequence
  step.append.resize(step.append.size() - static_cast<size_t>(fresh));
  step.drop = taken - fresh;
  unreleased_.resize(unreleased_.size() - std::min(unreleased_.size(), held_.size()));
  generated_ -= taken;
  thought_ -= taken;
  held_.clear();
  return said;
}

void Generation::think_on(Step& step) {
  const std::string said = take_back(step);
  accept_forced(said.substr(0, said.find(kCloseThought)) + std::string(kThinkOn), step);
}

void Generation::show(std::string_view text, Piece& piece) {
  if (params_.split_thought) return add(splitter_.feed(text), piece);
  piece.answer += stops_.feed(text);
}

void Generation::add(ReasoningSplitter::Piece split, Piece& piece) {
  if (split.answer_was_thought) {
    piece.answer_was_thought = true;
    piece.thought += piece.answer + stops_.finish() + split.answer.substr(0, split.mistaken);
    piece.answer.clear();
    split.answer.erase(0, split.mistaken);
    thought_ = generated_;
  }
  piece.thought += split.thought;
  piece.answer += stops_.feed(split.answer);
}

void Generation::flush(Piece& piece) {
  for (const Held& h : held_) show(h.text, piece);
  held_.clear();
  show(decoder_.finish(), piece);
  add(splitter_.finish(), piece);
  piece.answer += stops_.finish();
}

}  // namespace r1
