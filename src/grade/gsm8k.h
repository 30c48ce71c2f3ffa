// GSM8K (Cobbe et al. 2021, arXiv 2110.14168): word problems whose answers are whole numbers, lines
// of the published files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grade/task.h"

namespace r1 {

// {"question": ..., "answer": "... #### 72"}, as published, or {"problem": ..., "answer": "72"}.
// The problem's numbers are those that its text has. Errors name the line.
Result<std::vector<Problem>> read_gsm8k(std::string_view jsonl);

// The number that a completion answers with, as text without commas or needless zeros ("72",
// "-0.5"): the last number of the last <answer>...</answer>, else of the last \boxed{...}, else
// behind the last "####". "": there is none.
std::string gsm8k_answer(std::string_view completion);

}  // namespace r1
