// Benchmarks: problems, how they are put to a model, and who says whether an answer is right. A
// benchmark is a function that gives its problems and a line of the table; the grader is the one
// that trains (law 3).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "grade/score.h"
#include "grade/task.h"

namespace r1 {

struct Item {
  std::string question;  // what the user says, where no --prompt says otherwise
  std::vector<std::pair<std::string, std::string>>
      fields;  // "{nums}" -> "[1, 5, 8]", of a --prompt
  Problem problem;
};

struct Benchmark {
  std::string_view name, summary;
  // From the text of a JSONL file, or, without one, the benchmark's own problems. Errors name the
  // line and what was wrong.
  Result<std::vector<Item>> (*items)(const std::string* jsonl);
  // tokens and capped are left to the caller.
  Graded (*grade)(const Item& item, std::string_view completion);
};

std::span<const Benchmark> benchmarks();
Result<const Benchmark*> find_benchmark(std::string_view name);  // the error lists the names

// {"nums":[1,5,8],"target":40}; other fields are ignored. 2 to 16 numbers, all within +-10^6.
Result<std::vector<Item>> read_countdown(std::string_view jsonl);

// A prompt with its {nums}, {target} and {problem} replaced. Error: a {word} that the item lacks.
Result<std::string> fill_prompt(std::string_view prompt, const Item& item);

// TinyZero's prompt for base models (github.com/Jiayi-Pan/TinyZero), by name "tinyzero".
extern const std::string_view kTinyZeroPrompt;

}  // namespace r1
