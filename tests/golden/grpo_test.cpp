// Reinforcement on the golden checkpoints: exactly on-policy, and nothing lost by an interruption.
#include "train/grpo.h"

#include <algorithm>
#include <cstring>

#include "tests/golden/learning.h"

namespace r1 {
namespace {

// Prompts of several lengths that begin alike; an answer is worth its share of even tokens, in
// quarters. Right is what is at least half even.
class EvenTokens final : public Questions {
 public:
  explicit EvenTokens(int64_t vocab) : vocab_(vocab) {}

  std::vector<std::string> parts() const override { return {"even"}; }
  int64_t n_held_out() const override { return 3; }
  Result<std::vector<int32_t>> prompt(Question q) const override {
    std::vector<int32_t> ids;
    const int64_t length = 3 + 17 * (q.number % 4), own = q.held_out ? 1000 : 100;
    for (int64_t i = 0; i < length; ++i)
      ids.push_back(static_cast<int32_t>((i < length - 2 ? i * 7 : own + q.number) % vocab_));
    return ids;
  }
  Verdict judge(Question, std::span<const int32_t> answer) const override {
    const auto even = std::ranges::count_if(answer, [](int32_t id) { return id % 2 == 0; });
    const double reward = static_cast<double>(4 * even / std::ssize(answer)) / 4;
    return {.reward = reward, .right = reward >= 0.5, .parts = {reward}, .vote = ""};
  }
  std::string text(Question q) const override { return fmt::format("question {}", q.number); }
  std::string text(std::span<const int32_t> answer) const override {
    return fmt::format("{}", fmt::join(answer, " "));
  }

 private:
  int64_t vocab_;
};

struct Case {
  const char* folder;
  DType dtype;
};

// A model that learns and its trainer.
struct Training {
  Training(const std::string& folder, DType dtype, const GrpoOptions& options, Isa isa,
           double stop_norm = 0)
      : ctx(isa, 2) {
    model = load_to_learn(folder, dtype, ctx);
    questions.emplace(model->config().vocab_size);
    RolloutOptions rollout;
    rollout.max_tokens = 24;
    rollout.max_running = 20;  // some wait
    rollout.vocab = static_cast<int32_t>(model->config().vocab_size);
    rollout.ends = {1, 2, 3, 4, 5};
    Learner::Options learner;
    learner.adamw = {.lr = 1e-3, .weight_decay = 0};
    learner.micro_batch = 300;
    learner.stop_norm = stop_norm;
    trainer.emplace(*model, ctx, *questions, options, rollout, learner);
  }
  double value(const StepReport& report, std::string_view name) {
    for (const auto& [key, value] : report.metrics.values) {
      if (key == name) return value;
    }
    return -1;
  }
  std::vector<float> weights() const {
    std::vector<float> all;
    for (const ModelParameter& p : model->parameters())
      all.insert(all.end(), p.values.data(), p.values.data() + p.values.size());
    return all;
  }

  Context ctx;
  std::unique_ptr<Model> model;
  std::optional<EvenTokens> questions;
  std::optional<GrpoTrainer> trainer;
};

class Grpo : public testing::TestWithParam<Case> {};

TEST_P(Grpo, IsExactlyOnPolicy) {
  R1_TEST_DATA(folder, std::string("golden/") + GetParam().folder);
  GrpoOptions options;
  options.prompts = 4;
  options.group = 4;
  options.minibatches = 2;
  options.objective = *find_objective("grpo");
  options.reference_every = 4;
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    Training run(folder, GetParam().dtype, options, isa);
    for (int step = 1; step <= 6; ++step) {
      const auto report = run.trainer->step(step);
      ASSERT_TRUE(report) << report.error().message;
      if (step % 2 == 0) {  // the second minibatch of a rollout: the weights have moved
        EXPECT_EQ(run.value(*report, "mismatch"), -1);
        EXPECT_GT(run.value(*report, "ratio/deviation"), 0);
        continue;
      }
      EXPECT_EQ(run.value(*report, "mismatch"), 0) << step;
      EXPECT_EQ(run.value(*report, "ratio/deviation"), 0) << step;
      EXPECT_EQ(run.value(*report, "clip_share"), 0) << step;
      // The reference is the policy itself where it was refreshed.
      EXPECT_EQ(run.value(*report, "kl") == 0, step % 4 == 1) << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Grpo,
                         testing::Values(Case{"qwen2", DType::kF32}, Case{"qwen2", DType::kBF16},
                                         Case{"llama3", DType::kF32},
                                         Case{"deepseek_v3", DType::kF32},
                                         Case{"deepseek_v3", DType::kBF16}),
                         [](const auto& test) {
                           return fmt::format("{}_{}", test.param.folder,
                                              test.param.dtype == DType::kF32 ? "f32" : "bf16");
                         });

TEST(GrpoRewards, Rise) {
  R1_TEST_DATA(folder, "golden/qwen2");
  GrpoOptions options;
  options.prompts = 8;
  options.group = 8;
  options.objective = *find_objective("grpo");
  Training run(folder, DType::kF32, options, supported_isas().back());
  double first = 0, last = 0;
  for (int step = 1; step <= 24; ++step) {
    const auto report = run.trainer->step(step);
    ASSERT_TRUE(report) << report.error().message;
    (step == 1 ? first : last) = run.value(*report, "reward/mean");
  }
  EXPECT_LT(first, 0.6);
  EXPECT_GT(last, 0.85);
}

TEST(GrpoStep, ThatFailsNamesStepTensorAndQuestions) {
  R1_TEST_DATA(folder, "golden/qwen2");
  GrpoOptions options;
  options.prompts = 10;
  options.group = 4;
  options.objective = *find_objective("dr_grpo");
  Training t(folder, DType::kF32, options, *chosen_isa(), 1e-9);
  const auto weights = t.weights();
  const auto step = t.trainer->step(1);
  ASSERT_FALSE(step);
  for (const char* said : {"step 1, minibatch 1 of 1 of rollout 1: the gradients' norm is ",
                           "the largest is model.", "; its questions: \"question ", " more"})
    EXPECT_NE(step.error().message.find(said), std::string::npos) << step.error().message;
  EXPECT_EQ(t.weights(), weights);
}

TEST(GrpoState, AnInterruptedRunEndsWithTheSameBits) {
  R1_TEST_DATA(folder, "golden/deepseek_v3");
  GrpoOptions options;
  options.prompts = 4;
  options.group = 6;
  options.minibatches = 2;
  options.epochs = 2;  // four steps a rollout
  options.objective = *find_objective("grpo");
  options.reference_every = 3;
  options.resample_rounds = 1;
  const Isa isa = supported_isas().back();
  Training whole(folder, DType::kF32, options, isa);
  for (int step = 1; step <= 6; ++step) ASSERT_TRUE(whole.trainer->step(step));
  for (const int done : {3, 4}) {  // in the middle of a rollout, and behind one
    Training begun(folder, DType::kF32, options, isa), resumed(folder, DType::kF32, options, isa);
    for (int step = 1; step <= done; ++step) ASSERT_TRUE(begun.trainer->step(step));
    const auto restored = resumed.trainer->restore(begun.trainer->state());
    ASSERT_TRUE(restored) << restored.error().message;
    for (int step = done + 1; step <= 6; ++step) ASSERT_TRUE(resumed.trainer->step(step));
    const auto a = whole.weights(), b = resumed.weights();
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << done;
  }
}

TEST(GrpoState, AnEvaluationChangesNothing) {
  R1_TEST_DATA(folder, "golden/qwen2");
  GrpoOptions options;
  options.prompts = 2;
  options.group = 4;
  options.evaluate_samples = 4;
  options.objective = *find_objective("dr_grpo");
  const Isa isa = supported_isas().back();
  Training quiet(folder, DType::kF32, options, isa), watched(folder, DType::kF32, options, isa);
  std::vector<double> scores;
  for (int step = 1; step <= 2; ++step) {
    for (int i = 0; i < 2; ++i) {
      const auto report = watched.trainer->evaluate(step);
      ASSERT_TRUE(report) << report.error().message;
      scores.push_back(report->score);
    }
    ASSERT_TRUE(quiet.trainer->step(step));
    ASSERT_TRUE(watched.trainer->step(step));
  }
  EXPECT_EQ(scores[0], scores[1]);
  EXPECT_EQ(scores[2], scores[3]);
  EXPECT_EQ(quiet.weights(), watched.weights());
}

}  // namespace
}  // namespace r1
