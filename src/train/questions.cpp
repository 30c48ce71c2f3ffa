#include "train/questions.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "train/questions.h"

namespace r1 {
namespace {

constexpr std::string_view kProblem = "{}";     // its place in an instruction
constexpr uint64_t kProblemsLimit = 256 << 20;  // bytes

// "countdown3", or of a task of a file "gsm8k train.jsonl".
Result<ProblemSet> problems_of(const std::string& text) {
  const size_t space = text.find(' ');
  R1_TRY(const Task* const task, find_task(text.substr(0, space)));
  const std::string path = space == text.npos ? "" : text.substr(space + 1);
  if (!task->read) {
    if (!path.empty()) return error("grpo.tasks: {} has its own problems, no file's", task->name);
    return ProblemSet(*task);
  }
  if (path.empty())
    return error("grpo.tasks: {} needs a file: \"{} train.jsonl\"", task->name, task->name);
  R1_TRY(const std::string jsonl, read_file(path, kProblemsLimit));
  auto problems = task->read(jsonl);
  if (!problems) return std::move(problems).error().in(path);
  return ProblemSet(*task, *std::move(problems));
}

}  // namespace

Result<GrpoOptions> grpo_options(const Recipe& recipe) {
  const GrpoRecipe& g = recipe.grpo;
  const PolicyObjective* objective = find_objective(g.objective);
  if (!objective)
    return error("grpo.objective = {}: there are {}", g.objective,
                 fmt::join(objective_names(), ", "));
  GrpoOptions o;
  o.seed = static_cast<uint64_t>(recipe.run.seed);
  o.prompts = g.prompts;
  o.group = g.group;
  o.minibatches = g.minibatches;
  o.epochs = g.epochs;
  o.objective = *objective;
  if (g.clip_low >= 0) o.objective.clip_low = g.clip_low;
  if (g.clip_high >= 0) o.objective.clip_high = g.clip_high;
  if (g.kl >= 0) o.objective.kl_coef = g.kl;
  o.reference_every = g.reference_every;
  o.resample_rounds = g.resample_rounds;
  o.overlong_buffer = g.overlong_buffer;
  o.overlong_weight = g.overlong_weight;
  o.evaluate_questions = g.evaluate_questions;
  o.evaluate_samples = g.evaluate_samples;
  o.samples = g.samples;
  if (g.overlong_buffer > g.max_tokens)
    return error("grpo.overlong_buffer = {}: at most grpo.max_tokens, {}", g.overlong_buffer,
                 g.max_tokens);
  return o;
}

Result<RolloutOptions> rollout_options(const Recipe& recipe, const TrainedModel& trained) {
  if (!trained.tokenizer) return error("grpo: the model has no tokenizer");
  RolloutOptions o;
  o.max_tokens = recipe.grpo.max_tokens;
  o.max_running = recipe.grpo.max_running;
  o.temperature = static_cast<float>(recipe.grpo.temperature);
  o.vocab = static_cast<int32_t>(
      std::min<int64_t>(trained.tokenizer->size(), trained.model->config().vocab_size));
  const auto ends = trained.tokenizer->end_ids();
  o.ends.assign(ends.begin(), ends.end());
  if (o.ends.empty()) return error("grpo: the tokenizer names no end token; answers could not end");
  return o;
}

TaskQuestions::TaskQuestions(const Recipe& recipe, const TrainedModel& trained)
    : seed_(static_cast<uint64_t>(recipe.run.seed)),
      instruction_(recipe.grpo.instruction),
      language_(recipe.grpo.language),
      tokenizer_(*trained.tokenizer),
      builder_(trained.chat_template ? &*trained.chat_template : nullptr, &tokenizer_,
               trained.file->path()) {}

Result<std::unique_ptr<TaskQuestions>> TaskQuestions::create(const Recipe& recipe,
                                                             const TrainedModel& trained) {
  if (!trained.tokenizer) return error("grpo: the model has no tokenizer");
  std::unique_ptr<TaskQuestions> q(new TaskQuestions(recipe, trained));
  if (recipe.grpo.tasks.empty()) return error("grpo.tasks: names no task");
  for (const std::string& name : recipe.grpo.tasks) {
    R1_TRY(ProblemSet set, problems_of(name));
    if (set.n_training() == 0) return error("grpo.tasks: {}: no problem to train on", name);
    q->sets_.push_back(std::move(set));
  }
  if (recipe.grpo.rewards.empty()) return error("grpo.rewards: names no reward");
  for (const std::string& text : recipe.grpo.rewards) {
    R1_TRY(const WeightedReward reward, parse_reward(text));
    q->rewards_.push_back(reward);
  }
  R1_DO(check_language(q->language_));
  if (q->instruction_.find(kProblem) == std::string::npos)
    return error("grpo.instruction has no place for the problem: {}", kProblem);
  R1_TRY(const std::string prompt, q->rendered(q->asked({}).problem));
  const size_t last = prompt.find_last_not_of(" \n");
  q->thought_opened_ = last != std::string::npos &&
                       std::string_view(prompt).substr(0, last + 1).ends_with("<think>");
  return q;
}

std::vector<std::string> TaskQuestions::parts() const {
  std::vector<std::string> names;
  for (const WeightedReward& r : rewards_) names.emplace_back(r.reward->name);
  return names;
}

int64_t TaskQuestions::n_held_out() const {
  size_t n = 0;
  for (const ProblemSet& set : sets_) n += set.n_held_out();
  return static_cast<int64_t>(n);
}

// Training takes the tasks in turn; the held-out problems of one task follow those of another.
TaskQuestions::Asked TaskQuestions::asked(Question question) const {
  auto number = static_cast<size_t>(question.number);
  if (!question.held_out) {
    const ProblemSet& set = sets_[number % sets_.size()];
    return {set.task(), set.training(seed_, number / sets_.size())};
  }
  for (const ProblemSet& set : sets_) {
    if (number < set.n_held_out()) return {set.task(), set.held_out(number)};
    number -= set.n_held_out();
  }
  R1_CHECK(false);
  return {sets_[0].task(), {}};
}

Result<std::string> TaskQuestions::rendered(const Problem& problem) const {
  std::string content = instruction_;
  content.replace(content.find(kProblem), kProblem.size(), problem.prompt);
  return builder_.render({{{"role", "user"}, {"content", content}}}, Think::kAuto, nullptr);
}

Result<std::vector<int32_t>> TaskQuestions::prompt(Question question) const {
  R1_TRY(const std::string text, rendered(asked(question).problem));
  return builder_.encode(text);
}

Verdict TaskQuestions::judge(Question question, std::span<const int32_t> answer) const {
  const Asked a = asked(question);
  const std::string completion = text(answer);
  Verdict verdict;
  for (const WeightedReward& r : rewards_) {
    const double value = r.reward->of({.task = a.task,
                                       .problem = a.problem,
                                       .completion = completion,
                                       .thought_opened = thought_opened_,
                                       .language = language_});
    verdict.parts.push_back(value);
    verdict.reward += r.weight * value;
  }
  verdict.right = a.task.reward(a.problem, completion) == 1;
  verdict.vote = a.task.vote(a.problem, completion);
  return verdict;
}

std::string TaskQuestions::text(Question question) const { return asked(question).problem.prompt; }

// Without the token that ends it; other control tokens are spelled out.
std::string TaskQuestions::text(std::span<const int32_t> answer) const {
  const auto ends = tokenizer_.end_ids();
  if (!answer.empty() && std::ranges::find(ends, answer.back()) != ends.end())
    answer = answer.first(answer.size() - 1);
  return tokenizer_.decode(answer);
}

}  // namespace r1
