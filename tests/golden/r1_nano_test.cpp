// What models/r1-nano is made by: its tokens, the layer that predicts the token after next as a
// second loss, and experts in balance.
#include <cmath>

#include "base/file.h"
#include "model/replay.h"
#include "tests/golden/golden.h"
#include "text/tokenizer.h"
#include "train/expert_balance.h"
#include "train/learner.h"

namespace r1 {
namespace {

const std::string kFolder = std::string(R1_SOURCE) + "/models/r1-nano";

std::unique_ptr<Model> drawn(Context& ctx) {
  LoadOptions options;
  options.compute = Compute::kF32;
  options.learn = DType::kF32;
  options.mla = MlaForm::kPlain;
  options.mtp = true;
  options.draw = {.std = 0.08, .seed = 3};
  return load_model(kFolder + "/config.json", options, ctx);
}

std::vector<int32_t> some_ids(int32_t n, int32_t from) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < n; ++i) ids.push_back((from + 37 * i) % 300);
  return ids;
}

TEST(R1Nano, WritesANumberAnOperatorAndAMarkAsOneTokenEach) {
  const auto json = read_file(kFolder + "/tokenizer.json", 1 << 20);
  ASSERT_TRUE(json) << json.error().message;
  const auto tokenizer = Tokenizer::from_json(*json);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const std::string text =
      "<|begin|>Use 1, 5, 8 to make 40.\n<think>5*8=40: 40+1=41 no, 40*1=40 yes</think>"
      "<answer>(5*8)*1</answer><|end|>";
  const auto ids = tokenizer->encode(text, true);
  EXPECT_EQ(tokenizer->decode(ids), text);
  EXPECT_EQ(ids.size(), 10u + 1 + 6 + 6 + 1 + 6 + 1 + 9 + 1);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("Déjà vu: 1234", false)), "Déjà vu: 1234");
}

// L + lambda L_mtp, from the forwards that serve (replay), against the gradients of the learner.
TEST(R1Nano, TheSecondLossHasTheGradientOfItsDefinition) {
  constexpr double kLambda = 0.3;
  Context on(supported_isas().back(), 2);
  const auto model = drawn(on);
  ASSERT_TRUE(model->drafts());
  const std::vector<std::vector<int32_t>> ids = {some_ids(9, 1), some_ids(5, 70)};
  const std::vector<TrainSequence> batch = {{ids[0], 3}, {ids[1], 1}};
  const auto loss = [&] {
    ReplayOptions with_mtp;
    with_mtp.mtp = true;
    const auto replays = must(replay(*model, on, ids, with_mtp));
    const auto vocab = static_cast<size_t>(model->config().vocab_size);
    const auto logp = [&](const std::vector<float>& logits, int64_t row, int32_t id) {
      const auto of_row = std::span(logits).subspan(static_cast<size_t>(row) * vocab, vocab);
      double sum = 0;
      for (const float x : of_row) sum += std::exp(double{x});
      return double{of_row[static_cast<size_t>(id)]} - std::log(sum);
    };
    double total = 0;
    for (size_t s = 0; s < ids.size(); ++s) {
      for (int64_t t = batch[s].first; t < std::ssize(ids[s]); ++t) {
        const int32_t id = ids[s][static_cast<size_t>(t)];
        total -= logp(replays[s].logits, t - 1, id);
        if (t >= 2) total -= kLambda * logp(replays[s].mtp_logits, t - 2, id);
      }
    }
    return total;
  };
  Learner::Options options;
  options.mtp_weight = kLambda;
  Learner learner(*model, on, options);
  ASSERT_TRUE(learner.accumulate(
      batch, [](size_t, auto, std::span<float> gradient) { std::ranges::fill(gradient, -1.0f); }));
  for (size_t i = 0; i < model->parameters().size(); ++i) {
    const ModelParameter& p = model->parameters()[i];
    // Experts are chosen anew as their gates move: those are not smooth.
    if (!p.by_gradient || p.name.ends_with("mlp.gate.weight")) continue;
    // Along the gradient itself: the slope is its norm.
    const std::span<const float> g = learner.gradient(i);
    double norm = 0;
    for (const float x : g) norm += double{x} * double{x};
    norm = std::sqrt(norm);
    if (norm < 1e-3) continue;  // an expert that nobody chose
    const std::vector<float> then(p.values.data(), p.values.data() + p.values.size());
    const double h = 2e-4;  // so small that no expert's choice changes
    double side[2];
    for (const int sign : {0, 1}) {
      for (size_t k = 0; k < then.size(); ++k) {
        const double step = (sign ? h : -h) * double{g[k]} / norm;
        p.values.data()[k] = static_cast<float>(double{then[k]} + step);
      }
      p.refresh(on);
      side[sign] = loss();
    }
    std::copy(then.begin(), then.end(), p.values.data());
    p.refresh(on);
    EXPECT_NEAR((side[1] - side[0]) / (2 * h), norm, 0.03 * norm + 0.1) << p.name;
  }
}

TEST(R1Nano, BiasesMoveTowardsEqualLoads) {
  Context ctx(Isa::kRef, 1);
  const auto model = drawn(ctx);
  ExpertBalance balance(*model);
  ASSERT_EQ(balance.n_layers(), 3u);  // two, and the one that predicts the token after next
  EXPECT_EQ(balance.violation(), 0);
  const std::vector<std::vector<int32_t>> chosen = {{0, 1, 0, 1, 0, 2, 0, 3},
                                                    {0, 1, 2, 3, 4, 5, 6, 7}};
  balance.count(chosen);
  EXPECT_DOUBLE_EQ(balance.violation(), 1.5);  // (4 / 1 - 1 + 0) / 2
  balance.step(0.25);
  EXPECT_EQ(balance.violation(), 0);
  std::vector<const ModelParameter*> biases;
  for (const ModelParameter& p : model->parameters())
    if (!p.by_gradient) biases.push_back(&p);
  ASSERT_EQ(biases.size(), 3u);
  const std::vector<float> want = {-0.25f, -0.25f, 0, 0, 0.25f, 0.25f, 0.25f, 0.25f};
  for (size_t e = 0; e < 8; ++e) {
    EXPECT_EQ(biases[0]->values.data()[e], want[e]);
    EXPECT_EQ(biases[1]->values.data()[e], 0);
    EXPECT_EQ(biases[2]->values.data()[e], 0);
  }
}

// Ten steps on one batch: both losses fall, and the loads come closer.
TEST(R1Nano, LearnsWithBoth) {
  Context ctx(supported_isas().back(), 2);
  const auto model = drawn(ctx);
  Learner::Options options;
  options.adamw.lr = 3e-3;
  options.mtp_weight = 0.3;
  options.balance_rate = 0.02;
  Learner learner(*model, ctx, options);
  const auto ids = some_ids(64, 5);
  const TrainSequence sequence{ids, 1};
  std::vector<Learner::Step> steps;
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(learner.accumulate({&sequence, 1}, [](size_t, auto logp, std::span<float> g) {
      std::ranges::fill(g, -1 / static_cast<float>(logp.size()));
    }));
    const auto step = learner.step();
    ASSERT_TRUE(step) << step.error().message;
    steps.push_back(*step);
  }
  EXPECT_GT(steps.front().mtp_loss, 5);
  EXPECT_LT(steps.back().mtp_loss, 0.8 * steps.front().mtp_loss);
  EXPECT_GT(steps.front().max_violation, 0);
}

}  // namespace
}  // namespace r1
