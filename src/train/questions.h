// The problems of tasks as questions of GRPO: a prompt by the model's chat template, rewards by
// room grade.
#pragma once

#include <string>
#include <vector>

#include "grade/reward.h"
#include "infer/prompt.h"
#include "train/grpo.h"
#include "train/setup.h"

namespace r1 {

// A recipe's [grpo] and [optimizer], as the trainer takes them. Errors name the key.
Result<GrpoOptions> grpo_options(const Recipe& recipe);
Result<RolloutOptions> rollout_options(const Recipe& recipe, const TrainedModel& trained);

class TaskQuestions final : public Questions {
 public:
  // Errors: an unknown task, reward or language; a model without a tokenizer. `trained` outlives
  // the questions.
  static Result<std::unique_ptr<TaskQuestions>> create(const Recipe& recipe,
                                                       const TrainedModel& trained);

  std::vector<std::string> parts() const override;
  int64_t n_held_out() const override;
  Result<std::vector<int32_t>> prompt(Question question) const override;
  Verdict judge(Question question, std::span<const int32_t> answer) const override;
  std::string text(Question question) const override;
  std::string text(std::span<const int32_t> answer) const override;

 private:
  TaskQuestions(const Recipe& recipe, const TrainedModel& trained);
  struct Asked {
    const Task& task;
    Problem problem;
  };
  Asked asked(Question question) const;
  Result<std::string> rendered(const Problem& problem) const;

  const uint64_t seed_;
  const std::string instruction_, language_;
  const Tokenizer& tokenizer_;
  PromptBuilder builder_;
  std::vector<ProblemSet> sets_;  // asked in turn
  std::vector<WeightedReward> rewards_;
  bool thought_opened_ = false;  // by the prompt
};

}  // namespace r1
