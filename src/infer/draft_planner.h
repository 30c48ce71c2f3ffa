// How many ids to guess for each sequence of a step: as many as are worth their rows. A guessed id
// is taken if it makes the step's tokens per second more, by the odds of its kind measured on this
// sequence and by what a row costs, measured on the steps of this run. Decoding one sequence is
// bound by memory and rows are nearly free; with many sequences rows cost what they yield and
// guessing stops by itself.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>

#include "infer/speculation.h"

namespace r1 {

class DraftPlanner {
 public:
  DraftPlanner();

  // Lowers `most` of each draft to what is worth computing, within most_rows in all. rows: those of
  // the step without guesses, each of which yields a token.
  void plan(std::span<Draft> drafts, int64_t rows, int64_t most_rows);

  // What was measured: a step that decoded, all its rows, with guesses or without; and proposing.
  void took(int64_t rows, double seconds);
  void proposed(int64_t ids, double seconds);
  // What the sequence said in the place of draft.ids, whose first `known` it was told to have held.
  void learn(const Draft& draft, size_t known, std::span<const int32_t> said);
  void forget(uint64_t number) { sequences_.erase(number); }

  double step_seconds(int64_t rows) const { return fixed_ + static_cast<double>(rows) * per_row_; }
  double cost(const Draft& draft) const;  // seconds, of the rows and the computing of its `most`

 private:
  struct Odds {  // that an id holds if those before it do
    double value = 0;
    int64_t trials = 0;
    void learn(bool held, double rate);
  };
  struct Sequence {
    std::array<Odds, kDraftGrades> odds;
    int64_t idle = 0;  // steps since computing a draft was worth it
    int64_t patience;  // such steps until it is tried again
  };
  Sequence& sequence(uint64_t number);
  double odds(const Draft& draft) {
    return sequence(draft.number).odds[static_cast<size_t>(draft.grade)].value;
  }

  std::array<Odds, kDraftGrades> odds_;  // of all sequences: what a new one begins with
  std::map<uint64_t, Sequence> sequences_;
  // A step of n rows takes fixed_ + n * per_row_ seconds, and an id to propose proposing_.
  double fixed_ = 0, per_row_ = 0, proposing_ = 0;
  double fixed_variance_ = 0, per_row_variance_ = 0, covariance_ = 0;
  int64_t drafted_steps_ = 0;  // one after the other
};

}  // namespace r1
