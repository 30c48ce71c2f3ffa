// Learning to predict against PyTorch's ten steps of AdamW; that micro batches change nothing but
// the order of sums; groups of parameters; and what a broken weight is told with.
#include "train/sft.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/golden/learning.h"

namespace r1 {
namespace {

using Json = nlohmann::json;

// Examples of ids, with a name each.
class Listed final : public Dataset {
 public:
  explicit Listed(std::vector<std::vector<int32_t>> lists) : lists_(std::move(lists)) {}
  int64_t size() const override { return std::ssize(lists_); }
  Result<Example> example(int64_t index, int64_t) const override {
    Example e{.ids = lists_[static_cast<size_t>(index)],
              .wanted = {},
              .cut = false,
              .where = "line " + std::to_string(index)};
    e.wanted.assign(e.ids.size(), true);
    e.wanted[0] = false;
    return e;
  }

 private:
  std::vector<std::vector<int32_t>> lists_;
};

class Sft : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = find_test_data("golden/qwen2");
    if (folder_.empty()) GTEST_SKIP() << "test data absent: golden/qwen2";
    const auto golden = WeightFile::open(folder_ + "/golden.safetensors");
    ASSERT_TRUE(golden);
    ids_ = golden_tensor<int32_t>(*golden, "tokens_a");
    json_ = Json::parse(read_test_file(folder_ + "/golden.json"));
  }

  std::unique_ptr<Model> model() { return load_to_learn(folder_, DType::kF32, ctx_); }
  Learner::Options learner() const { return golden_learner(json_); }
  static double value(const Metrics& metrics, std::string_view name) {
    for (const auto& [key, x] : metrics.values) {
      if (key == name) return x;
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

  std::string folder_;
  std::vector<int32_t> ids_;
  Json json_;
  Context ctx_{best_isa(), 2};

 private:
  static Isa best_isa() { return supported_isas().back(); }
};

TEST_F(Sft, LossesArePyTorchsAndAnEvaluationSaysTheSame) {
  const auto m = model();
  const Listed data({ids_});
  SftTrainer trainer(*m, ctx_, data, &data, {.seed = 1, .sequences = 1, .tokens = 0, .evaluate = 1},
                     learner());
  int64_t step = 0;
  for (const double want : json_["adamw"]["losses"]) {
    const auto evaluated = trainer.evaluate(step);
    ASSERT_TRUE(evaluated) << evaluated.error().message;
    const auto done = trainer.step(++step);
    ASSERT_TRUE(done) << done.error().message;
    const double loss = value(done->metrics, "loss");
    EXPECT_NEAR(loss, want, 1e-4);
    EXPECT_NEAR(evaluated->evaluation.values.at(0).value, loss, 1e-9);
    EXPECT_NEAR(evaluated->score, -loss, 1e-9);
  }
}

TEST_F(Sft, AStepIsTheSameInAnyMicroBatchesUpToTheOrderOfSums) {
  std::vector<std::vector<int32_t>> lists;
  for (const size_t n : {7, 48, 20, 33, 5, 41})
    lists.emplace_back(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(n));
  const Listed data(lists);
  std::vector<double> losses, norms;
  for (const int64_t micro : {1, 60, 100000}) {
    const auto m = model();
    Learner::Options options = learner();
    options.micro_batch = micro;
    SftTrainer trainer(*m, ctx_, data, nullptr, {.seed = 3, .sequences = 6}, options);
    const auto done = trainer.step(1);
    ASSERT_TRUE(done) << done.error().message;
    losses.push_back(value(done->metrics, "loss"));
    norms.push_back(value(done->metrics, "gradient_norm"));
    EXPECT_EQ(value(done->metrics, "tokens"), 154);
  }
  for (const size_t i : {1u, 2u}) {
    EXPECT_NEAR(losses[i], losses[0], 1e-9 * losses[0]);
    EXPECT_NEAR(norms[i], norms[0], 1e-5 * norms[0]);
  }
}

TEST_F(Sft, StepsOfSoManyTokensTakeEveryExampleOnceAnEpoch) {
  const Listed data({{1, 2, 3}, {4, 5, 6, 7}, {8, 9}, {1, 3, 5, 7, 9, 11}});
  const auto m = model();
  SftTrainer trainer(*m, ctx_, data, nullptr, {.seed = 3, .sequences = 4, .tokens = 6}, learner());
  double tokens = 0, epoch = 0;
  for (int64_t step = 1; epoch < 1; ++step) {
    const auto done = trainer.step(step);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_LE(value(done->metrics, "tokens"), 6);
    tokens += value(done->metrics, "tokens");
    epoch = value(done->metrics, "epoch");
  }
  EXPECT_GE(tokens, 15);
}

TEST_F(Sft, GroupsOfParametersLearnAsTheyAreTold) {
  const auto m = model(), fresh = model();
  const Listed data({ids_});
  Learner::Options options = learner();
  options.tuning = [](const ModelParameter& p) {
    if (p.name.find("mlp") != p.name.npos) return Tuning{.lr = 1, .frozen = true};
    if (p.name.find("norm") != p.name.npos) return Tuning{.lr = 0};
    return Tuning{};
  };
  SftTrainer trainer(*m, ctx_, data, nullptr, {.seed = 1, .sequences = 1}, options);
  ASSERT_TRUE(trainer.step(1));
  const SavedState state = trainer.state();
  for (size_t i = 0; i < m->parameters().size(); ++i) {
    const ModelParameter &now = m->parameters()[i], &then = fresh->parameters()[i];
    const bool same = std::memcmp(now.values.data(), then.values.data(),
                                  static_cast<size_t>(now.values.size()) * sizeof(float)) == 0;
    const bool frozen = now.name.find("mlp") != now.name.npos;
    EXPECT_EQ(same, frozen || now.name.find("norm") != now.name.npos) << now.name;
    EXPECT_EQ(state.find("adamw_m/" + now.name) == nullptr, frozen) << now.name;
  }
}

TEST_F(Sft, ABrokenWeightStopsTheStepWithTheBatchAndLeavesTheRest) {
  const auto m = model();
  const Listed data({ids_, {1, 2, 3}});
  SftTrainer trainer(*m, ctx_, data, nullptr, {.seed = 1, .sequences = 2}, learner());
  const ModelParameter& broken = m->parameters()[1];
  const ModelParameter& other = m->parameters()[2];
  broken.values.data()[0] = std::numeric_limits<float>::quiet_NaN();
  broken.refresh(ctx_);
  const float before = other.values.data()[0];
  const auto done = trainer.step(1);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("step 1: the loss is not finite; it is so on line "),
            std::string::npos)
      << done.error().message;
  EXPECT_EQ(other.values.data()[0], before);
}

}  // namespace
}  // namespace r1
