// Texts to pre-train on, by number: what a person might leave behind who plays Countdown, most of
// them without patience. A text is a prompt of grade/task.h with a thought and an answer:
//   <|begin|>Use 1, 5, 8 to make 12.
//   <think>5*8=40: 40-1=39 no, 40+1=41 no
//   5-1=4: 4*8=32 no, 4+8=12 yes</think><answer>(5-1)+8</answer><|end|>
// A line of a thought takes two numbers, then tries what the third makes of them; nothing is tried
// twice, and " yes" stands where it is true. No text has held-out numbers.
#pragma once

#include <cstdint>
#include <string>

#include "grade/task.h"

namespace r1 {

// Which texts there are, and how often. What is not a drill is a game; a game is a guess without a
// thought, or a search. The searches' patience is what reinforcement learning finds to amplify: few
// go on until the target is reached.
struct TraceMix {
  double drills = 0.35;              // attempts with true marks, half of them right; no answer
  double guesses = 0.1;              // of games
  double persistent = 0.06;          // of searches
  double give_up = 0.85;             // after a wrong attempt, with the last attempt for an answer
  double persistent_give_up = 0.04;  // the same of persistent searches
};

class CountdownTraces {
 public:
  explicit CountdownTraces(const TraceMix& mix);
  // Text i of a seed: a pure function.
  std::string text(uint64_t seed, uint64_t i) const;

 private:
  TraceMix mix_;
  ProblemSet problems_;
};

}  // namespace r1
