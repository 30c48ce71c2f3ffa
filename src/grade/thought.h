// How a thought is built: what it does where (grade/behaviour.h), and where the answer that it ends
// in first stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grade/behaviour.h"

namespace r1 {

struct ThoughtStructure {
  int64_t characters = 0, paragraphs = 0;  // Unicode's, and those that blank lines part
  Behaviours counts;
  std::vector<BehaviourMark> marks;  // bytes of the thought
  std::string answer;                // final_answer() of the answer
  struct Said {
    size_t begin, end;  // bytes of the thought
  };
  std::vector<Said> said;  // wherever that stands in the thought as a word of its own
};

ThoughtStructure read_thought(std::string_view thought, std::string_view answer);

// What an answer comes to: its last \boxed{...}, else its last <answer>...</answer>, else all of
// it if that is a bare expression, "(1*8)*5", else its last number; "" where it has none.
std::string final_answer(std::string_view answer);

}  // namespace r1
