// Texts to pre-train on, by number: what a person might leave behind who plays with puzzles, most
// of the time without patience. A text is a prompt of grade/task.h with a thought and an answer:
//   <|begin|>Use 1, 5, 8 to make 12.
//   <think>5*8=40: 40-1=39 no, 40+1=41 no
//   5+8=13: 13-1=12 yes</think><answer>(5+8)-1</answer><|end|>
// or
//   <|begin|>Solve 3*x+5=17.
//   <think>3*3=9: 9+5=14 no
//   3*4=12: 12+5=17 yes</think><answer>4</answer><|end|>
// A line takes a first step, then tries what can be made of it. Who searches goes through
// everything in an order of his own and tries nothing twice; " yes" stands where it is true. No
// text has held-out numbers.
#pragma once

#include <cstdint>

#include "grade/task.h"
#include "train/dataset.h"

namespace r1 {

// Which texts there are, and how often. A text is a list of sums, a drill or a game; a game is a
// guess without a thought, or a search. The searches' patience is what reinforcement learning finds
// to amplify: few go on until the target is reached.
struct TraceMix {
  double sums = 0.1;          // "27+1=28, 6*7=42, ..."
  double four = 0;            // of the rest: of countdown4, else of countdown3
  double linear = 0;          // of the rest: of linear equations
  double wide = 0.4;          // of countdown3: of numbers up to 12, not 9
  double drills = 0.35;       // of the rest: attempts with true marks, the last right; no answer
  double long_drills = 0.15;  // of drills: many attempts, none twice
  double guesses = 0.1;       // of games
  double persistent = 0.07;   // of searches
  double give_up = 0.85;      // after a wrong attempt, with the last attempt for an answer
  double persistent_give_up = 0.04;  // the same of persistent searches
};

class Traces {
 public:
  explicit Traces(const TraceMix& mix);
  // Text i of a seed: a pure function. Its problem is given.
  GeneratedText text(uint64_t seed, uint64_t i) const;

 private:
  TraceMix mix_;
  ProblemSet countdown3_, countdown4_, linear_;
};

}  // namespace r1
