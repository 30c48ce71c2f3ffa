#include "cli/puzzle.h"

#include <unistd.h>

#include "base/rng.h"
#include "cli/ask.h"
#include "grade/countdown.h"
#include "grade/task.h"

namespace r1 {
namespace {

// `answer`: what stood between <answer> and </answer>; the tags are no part of a shown answer.
std::string verdict(const Task& task, const Problem& problem, const std::string& answer) {
  if (task.reward(problem, fmt::format("<answer>{}</answer>", answer)) == 1) return "right";
  const auto value = evaluate_arithmetic(answer);
  if (!value) return "wrong: that is no expression";
  if (value->value.denominator != 1) return "wrong";
  return fmt::format("wrong: that makes {}", value->value.numerator);
}

}  // namespace

Result<void> put_puzzle(ChatModel& model, Conversation conversation, bool show_thought,
                        const std::function<void(std::string_view)>& print) {
  R1_TRY(const Task* const task, find_task("countdown3"));
  const ProblemSet problems(*task);
  const auto seed = conversation.parameters.over(model.defaults()).seed;
  const uint64_t number = seed ? *seed : fresh_number();
  const Problem problem = problems.held_out(number % problems.n_held_out());
  print(fmt::format("{}\n", problem.prompt));
  conversation.messages = {{"user", problem.prompt, ""}};
  AnswerPrinter printer(terminal(STDOUT_FILENO), show_thought, print);
  R1_TRY(const Answer answer, ask(model, conversation, &printer));
  if (answer.completion.reason == FinishReason::kCancelled) return error("interrupted");
  print(fmt::format("Checked: {}.\n", verdict(*task, problem, answer.completion.answer)));
  return {};
}

}  // namespace r1
