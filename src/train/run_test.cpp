#include "train/run.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "model/model.h"
#include "train/recipe.h"

namespace r1 {
namespace {

// Its weight is a function of all steps so far, in their order.
class FakeTrainer final : public Trainer {
 public:
  Result<StepReport> step(int64_t step) override {
    if (step == fails_at) return error("step {}: the gradient of w is not finite", step);
    weight_[0] = weight_[0] * 1.25f + static_cast<float>(step);
    steps.push_back(step);
    return StepReport{.metrics = {.values = {{"loss", 1.0}}}, .samples = {}};
  }
  Result<EvaluationReport> evaluate(int64_t step) override {
    evaluations.push_back(step);
    EvaluationReport report;
    report.evaluation.values = {{.name = "loss", .value = 1, .low = 1, .high = 1}};
    report.score = static_cast<double>(-std::abs(step - 3));
    return report;
  }
  SavedState state() override {
    SavedState state;
    state.tensors.push_back(state_tensor("model/w", {1}, weight_));
    return state;
  }
  Result<void> restore(const SavedState& state) override { return state.copy("model/w", weight_); }
  const Model& model() const override { throw std::logic_error("no model"); }

  float weight() const { return weight_[0]; }
  std::vector<int64_t> steps, evaluations;
  int64_t fails_at = -1;

 private:
  std::vector<float> weight_ = {1};
};

class Run : public testing::Test {
 protected:
  Run() {
    std::string name = testing::TempDir() + "/r1-run-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    recipe_.run.out = folder_;
    recipe_.run.steps = 6;
    recipe_.model.path = "m";
    recipe_.data.train = {"d"};
    recipe_.checkpoint.every = 2;
  }
  ~Run() override { std::filesystem::remove_all(folder_); }

  Result<RunResult> go(FakeTrainer& trainer, int64_t interrupt_after = -1) {
    R1_TRY(auto store, CheckpointStore::open(folder_, {}, [](const std::string&) {}));
    Monitor::Options view;
    view.view = View::kNone;
    return run(recipe_, trainer, store, view, [&] {
      return interrupt_after >= 0 && std::ssize(trainer.steps) >= interrupt_after;
    });
  }

  std::string folder_;
  Recipe recipe_;
};

TEST_F(Run, EndsAfterItsStepsEvaluatedBeforeBetweenAndAfter) {
  recipe_.evaluate.every = 3;
  FakeTrainer trainer;
  const auto result = go(trainer);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->end, RunEnd::kSteps);
  EXPECT_EQ(result->step, 6);
  EXPECT_EQ(result->best, 0);
  EXPECT_EQ(trainer.steps, (std::vector<int64_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(trainer.evaluations, (std::vector<int64_t>{0, 3, 6}));
  FakeTrainer again;  // nothing is left to do
  EXPECT_EQ(go(again)->step, 6);
  EXPECT_TRUE(again.steps.empty());
}

TEST_F(Run, AnInterruptedRunGoesOnToTheSameWeights) {
  FakeTrainer whole;
  recipe_.checkpoint.every = 0;
  ASSERT_TRUE(go(whole));
  std::filesystem::remove_all(folder_);
  FakeTrainer first, second;
  const auto stopped = go(first, 3);
  ASSERT_TRUE(stopped) << stopped.error().message;
  EXPECT_EQ(stopped->end, RunEnd::kInterrupted);
  EXPECT_EQ(stopped->step, 3);
  const auto ended = go(second);
  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_EQ(second.steps, (std::vector<int64_t>{4, 5, 6}));
  EXPECT_EQ(second.weight(), whole.weight());
  EXPECT_EQ(second.evaluations, std::vector<int64_t>{6});  // not what was evaluated before
}

TEST_F(Run, AFailedStepIsToldWithTheLastGoodCheckpointFromWhichItGoesOn) {
  FakeTrainer trainer, second;
  trainer.fails_at = 6;
  const auto failed = go(trainer);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("step 6: the gradient of w is not finite; the checkpoint "
                                        "of step 4 is good"),
            std::string::npos)
      << failed.error().message;
  ASSERT_TRUE(go(second));
  EXPECT_EQ(second.steps, (std::vector<int64_t>{5, 6}));
}

TEST_F(Run, AChangedRecipeIsRefusedAndMoreStepsAreNot) {
  FakeTrainer first, second, third;
  ASSERT_TRUE(go(first));
  recipe_.optimizer.lr = 0.5;
  const auto refused = go(second);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("optimizer.lr was"), std::string::npos);
  recipe_.optimizer.lr = Recipe().optimizer.lr;
  recipe_.run.steps = 8;
  ASSERT_TRUE(go(third));
  EXPECT_EQ(third.steps, (std::vector<int64_t>{7, 8}));
}

TEST_F(Run, EndsWhenItsTimeIsOver) {
  recipe_.run.steps = 0;
  recipe_.run.minutes = 1e-4;
  FakeTrainer trainer;
  const auto result = go(trainer);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->end, RunEnd::kMinutes);
  EXPECT_GE(result->seconds, 6e-3);
}

}  // namespace
}  // namespace r1
