// A trace: one answer with all that made it, as the log keeps it. What replay needs is in it: the
// prompt's ids, every parameter with the seed, the weights' hash, and what of the engine decides
// bits. The JSON's fields are told of in docs/trace.md.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "infer/engine.h"

namespace r1 {

struct AnswerTrace {
  // Of the request: time, key, user, path, model, engine, messages or prompt, think, begun.
  std::shared_ptr<const nlohmann::ordered_json> asked;
  int choice = 0;
  std::shared_ptr<const Prompt> prompt;
  GenerateParams params;  // with this choice's seed
  Completion completion;
  double first_seconds = 0, seconds = 0;  // since the request came
  bool failed = false;                    // the engine did; the log of the server says why
};

// What one line of the log holds: JSON in UTF-8, with a random number that keeps its hash from
// being guessed once it has been erased.
std::string trace_content(const AnswerTrace& trace);

nlohmann::ordered_json to_json(const GenerateParams& params);
Result<GenerateParams> params_from_json(const nlohmann::ordered_json& json);

// The words that were asked: of the last message a user wrote, else the prompt's; "" of ids.
std::string asked_words(const nlohmann::ordered_json& content);

}  // namespace r1
