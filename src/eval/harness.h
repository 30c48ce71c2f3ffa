// A benchmark put to a model: every problem several times, through the batcher, graded and scored.
// The same seed gives the same answers, whatever the batch (law 1).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "eval/benchmark.h"
#include "model/model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace r1 {

// Who answers. All outlive the evaluation; chat_template may be null: a question is then continued
// as plain text.
struct Examinee {
  const Model& model;
  Context& ctx;
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template;
  std::string name;  // in errors
};

struct EvalOptions {
  int64_t samples = 16;  // answers to each problem
  float temperature = 1, top_p = 1;
  int32_t top_k = 0;
  uint64_t seed = 1;
  int64_t max_tokens = 1024;  // of an answer
  int64_t running = 256;      // answers drawn at the same time
  DType kv_dtype = DType::kF16;
  std::string
      prompt;  // instead of the question, with {nums}, {target}, {problem}; "": the question
  std::function<void(int64_t answers, int64_t tokens)> progress = {};
};

struct EvalAnswer {
  size_t item = 0;
  int64_t sample = 0;
  std::string completion;
  Graded graded;
};

struct EvalResult {
  Score score;
  std::vector<EvalAnswer> answers;  // items in order, samples of each in order
  int64_t generated_tokens = 0;
  double seconds = 0;
};

// Sample k of item i is drawn with the seed answer_seed(options.seed, i, k). Errors: a prompt that
// cannot be filled or is longer than the context leaves room for, a model without an end token.
Result<EvalResult> evaluate(const Examinee& examinee, const Benchmark& benchmark,
                            std::span<const Item> items, const EvalOptions& options);

uint64_t answer_seed(uint64_t seed, uint64_t item, uint64_t sample);

}  // namespace r1
