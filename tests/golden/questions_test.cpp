// The questions of GRPO around r1-nano: asked through its template, judged by their tasks.
#include "train/questions.h"

#include <gtest/gtest.h>

#include "grade/countdown_problems.h"
#include "tests/support/must.h"

namespace r1 {
namespace {

Recipe nano(const std::vector<std::string>& overrides = {}) {
  const std::string text = "[run]\nsteps = 1\n[model]\nconfig = \"" R1_SOURCE "/models/r1-nano\"\n";
  return must(parse_recipe(text, "recipe", TrainKind::kGrpo, overrides));
}

TrainedModel open(const Recipe& recipe) { return must(open_model(recipe)); }

TEST(Questions, AreAskedThroughTheTemplateAndJudgedByTheTask) {
  const Recipe recipe =
      nano({"grpo.rewards=[\"accuracy\", \"0.5 format\"]",
            "grpo.tasks=[\"countdown3\", \"linear\"]", "grpo.instruction=\"Well: {}\""});
  const TrainedModel trained = open(recipe);
  const auto q = TaskQuestions::create(recipe, trained);
  ASSERT_TRUE(q) << q.error().message;
  const TaskQuestions& questions = **q;
  EXPECT_EQ(questions.parts(), (std::vector<std::string>{"accuracy", "format"}));

  const auto prompt = questions.prompt({});
  ASSERT_TRUE(prompt) << prompt.error().message;
  const std::string problem = questions.text(Question{});
  EXPECT_EQ(trained.tokenizer->decode(*prompt), "<|begin|>Well: " + problem + "\n<think>");
  EXPECT_TRUE(problem.starts_with("Use ")) << problem;
  EXPECT_TRUE(questions.text(Question{false, 1}).starts_with("Solve ")) << "tasks take turns";

  const int64_t n = questions.n_held_out();
  EXPECT_EQ(static_cast<size_t>(n), ProblemSet(**find_task("countdown3")).n_held_out() +
                                        ProblemSet(**find_task("linear")).n_held_out());
  EXPECT_TRUE(questions.text(Question{true, 0}).starts_with("Use "));
  EXPECT_TRUE(questions.text(Question{true, n - 1}).starts_with("Solve "));

  const Problem held_out = ProblemSet(**find_task("countdown3")).held_out(0);
  const std::string solution =
      countdown_solutions({held_out.numbers, held_out.target}, CountdownRules{}).at(0);
  const auto judged = [&](const std::string& text, bool ended) {
    std::vector<int32_t> ids = trained.tokenizer->encode(text, true);
    if (ended) ids.push_back(trained.tokenizer->end_ids()[0]);
    return questions.judge({true, 0}, ids);
  };
  const Verdict right = judged("so</think><answer>" + solution + "</answer>", true);
  EXPECT_TRUE(right.right);
  EXPECT_EQ(right.reward, 1.5);
  EXPECT_EQ(right.parts, (std::vector<double>{1, 1}));
  EXPECT_EQ(right.vote, std::to_string(held_out.target));
  const Verdict formless = judged("<answer>" + solution + "</answer> I think", false);
  EXPECT_EQ(formless.parts, (std::vector<double>{1, 0}));
  EXPECT_EQ(judged("so</think><answer>1</answer>", true).reward, 0.5);
}

TEST(Questions, RefuseWhatTheyCannotDo) {
  const auto refusal = [](const std::string& override) -> std::string {
    const Recipe recipe = nano({override});
    const TrainedModel trained = open(recipe);
    const auto q = TaskQuestions::create(recipe, trained);
    return q ? "" : q.error().message;
  };
  EXPECT_EQ(refusal("grpo.tasks=[\"chess\"]"),
            "no task chess: there are countdown3, countdown4, arithmetic, linear, gsm8k");
  EXPECT_EQ(refusal("grpo.tasks=[\"gsm8k\"]"),
            "grpo.tasks: gsm8k needs a file: \"gsm8k train.jsonl\"");
  EXPECT_EQ(refusal("grpo.tasks=[\"linear a.jsonl\"]"),
            "grpo.tasks: linear has its own problems, no file's");
  EXPECT_EQ(refusal("grpo.tasks=[]"), "grpo.tasks: names no task");
  EXPECT_EQ(refusal("grpo.rewards=[\"style\"]"),
            "no reward style: there are accuracy, format, language");
  EXPECT_EQ(refusal("grpo.instruction=\"Go.\""),
            "grpo.instruction has no place for the problem: {}");
  EXPECT_TRUE(refusal("grpo.language=\"xx\"").starts_with("no language xx: there are en"));
}

TEST(GrpoOptions, AreThoseOfAPaperUnlessSaid) {
  const auto options = grpo_options(nano({"grpo.objective=\"dapo\"", "grpo.clip_low=0.1"}));
  ASSERT_TRUE(options);
  EXPECT_EQ(options->objective.clip_low, 0.1);
  EXPECT_EQ(options->objective.clip_high, 0.28);
  EXPECT_EQ(options->objective.reduce, Reduce::kToken);
  EXPECT_EQ(options->objective.kl_coef, 0);
  EXPECT_EQ(grpo_options(nano({"grpo.kl=0.5"}))->objective.kl_coef, 0.5);
  EXPECT_EQ(grpo_options(nano({"grpo.overlong_buffer=300"})).error().message,
            "grpo.overlong_buffer = 300: at most grpo.max_tokens, 256");
}

}  // namespace
}  // namespace r1
