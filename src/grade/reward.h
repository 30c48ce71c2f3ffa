// Rewards: what an answer is worth for one reason. A reward is a function and a line of the table;
// a recipe names the ones it wants and their weights. The same code evaluates (law 3).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "grade/task.h"

namespace r1 {

// What a reward looks at.
struct Answered {
  const Task& task;
  const Problem& problem;
  std::string_view completion;  // what the model said
  bool thought_opened = false;  // the prompt ended in <think>
  std::string_view language = "en";
};

struct Reward {
  std::string_view name, doc;
  double (*of)(const Answered& answered);  // 0 ... 1
};

// accuracy: the task's own verdict (R1 section 2.2.2).
// format: the completion is one thought, then one answer: <think>...</think><answer>...</answer>.
// language: the share of words that are of the wanted language (R1 section 2.3.2).
std::span<const Reward> rewards();

struct WeightedReward {
  const Reward* reward;
  double weight;
};
// "accuracy", or "0.1 format". The error lists the names.
Result<WeightedReward> parse_reward(std::string_view text);

// Whether text is <think>...</think>, white space, <answer>...</answer> and nothing else, each tag
// once. thought_opened: the first tag stood in the prompt.
bool well_formed(std::string_view text, bool thought_opened);

// The share of a text's words written in the script of a language (ISO 639-1: "en", "zh", ...); 1
// where there are no words. A word is a run of letters of one script; of Chinese and Japanese
// every character counts as one. Languages of one script cannot be told apart.
double language_share(std::string_view text, std::string_view language);
Result<void> check_language(std::string_view language);  // the error lists the known ones

}  // namespace r1
