// Guessing the next tokens of a sequence, so that one step of the model verifies several at once
// (speculative decoding, arXiv 2211.17192). The batcher is the one verifier: guessed ids ride
// behind the last token of their sequence, every position is sampled by its own key, and a guess
// holds as far as the sequence itself goes on so. By law 1 these are the tokens that would have
// come without it, at any temperature: a speculator changes speed and nothing else.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "infer/sampling.h"
#include "tensor/kv_pages.h"
#include "tensor/tensor.h"

namespace r1 {

class Context;

// Drafts of one grade hold about equally often, those of a higher one more often.
constexpr int kDraftGrades = 8;
constexpr int64_t kLongestDraft = 32;  // ids; with more rows a step is bound by arithmetic anywhere

struct Draft {
  uint64_t number = 0;                       // the sequence's
  std::span<const int32_t> tokens;           // prompt and what was generated; the last of them is
                                             // not computed yet
  std::span<const int32_t> prompt;           // their beginning
  const SamplingParams* sampling = nullptr;  // how its tokens are drawn
  std::span<const int32_t> pages;            // of the model's keys and values, with room for `most`
  int64_t most = 0;                          // ids wanted
  int grade = 0;                             // 0 .. kDraftGrades - 1
  std::vector<int32_t> ids;                  // the guess
};

// Rows of a step of the model: `rows` says where they stand in the batch and in their sequence.
struct Watched {
  uint64_t number = 0;
  std::span<const int32_t> tokens;  // of the sequence, before anything was drawn from the step
  SequenceRows rows;                // the last of them may be guesses, behind `tokens`
};

// Called by the batcher's worker alone.
class Speculator {
 public:
  virtual ~Speculator() = default;

  // What is known without computing: the grade, and perhaps the ids, at most `most`. Called for
  // every sequence of a step, before the step is planned.
  virtual void look(Draft& draft) = 0;
  // Computes the ids of those that have none, up to `most`, which by now may be less, or 0. Fewer
  // than asked are always allowed.
  virtual void propose(std::span<Draft> /*drafts*/, KvPages& /*kv*/) {}
  // Whether watch() is to be called after every forward, with what the model knew after its final
  // norm [rows of the batch, dim].
  virtual bool watches() const { return false; }
  virtual void watch(std::span<const Watched> /*parts*/, const Tensor& /*last*/, KvPages& /*kv*/) {}
  // The sequence took tokens back or waits again: it may come back with other tokens.
  virtual void forget(uint64_t number) = 0;
  // The sequence is over, with these tokens. Never called twice for one number.
  virtual void end(uint64_t number, std::span<const int32_t> prompt,
                   std::span<const int32_t> /*tokens*/) = 0;
};

// One more id for each draft, from logits [drafts, >= vocab]: drawn as the sequence would draw it,
// by the key of its position, so that two models of one mind draw one token at any temperature.
// Without penalties, which look at the whole text: a guess need not be that exact.
void draw_guesses(Context& ctx, const Tensor& logits, int32_t vocab,
                  std::span<Draft* const> drafts);

}  // namespace r1
