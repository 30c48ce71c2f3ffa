// Every Countdown problem of a size, and which of them no training ever sees.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "grade/countdown.h"

namespace r1 {

// Numbers 1 ... largest_number (repetition allowed) combined by + - *; every result on the way lies
// in 0 ... largest_result, the target in smallest_target ... largest_result.
struct CountdownRules {
  int n_numbers = 3;
  int64_t largest_number = 9;
  int64_t smallest_target = 10, largest_result = 50;
};

// All that can be solved, numbers ascending, in lexicographic order of numbers and target.
std::vector<CountdownProblem> countdown_problems(const CountdownRules& rules);

// The ways to solve a problem within the rules, as expressions: "(5-1)*8". No text twice.
// Empty where there is none.
std::vector<std::string> countdown_solutions(const CountdownProblem& problem,
                                             const CountdownRules& rules);

// FNV-1a-64 of the numbers in ascending order joined by commas ("1,5,8") is divisible by 5: never
// trained on, in pre-training and RL alike.
bool held_out(std::span<const int64_t> numbers);

}  // namespace r1
