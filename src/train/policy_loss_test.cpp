// The published objectives against an independent computation in double precision, and against
// finite differences.
#include "train/policy_loss.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/support/test_data.h"

namespace r1 {
namespace {

using Json = nlohmann::json;
using Rows = std::vector<std::vector<double>>;

std::vector<Answer> answers_of(const std::vector<double>& advantage, const Rows& logp,
                               const Rows& old_logp, const Rows& reference) {
  std::vector<Answer> answers;
  for (size_t i = 0; i < logp.size(); ++i)
    answers.push_back({advantage[i], logp[i], old_logp[i], reference[i]});
  return answers;
}

TEST(PolicyLoss, EveryPublishedObjectiveAndItsGradient) {
  R1_TEST_DATA(path, "golden/policy_losses.json");
  const Json golden = Json::parse(read_test_file(path));
  const Rows logp = golden["logp_new"], old_logp = golden["logp_old"], ref = golden["logp_ref"];
  EXPECT_EQ(golden["cases"].size(), objective_names().size());
  for (const Json& c : golden["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    const PolicyObjective* o = find_objective(c["name"].get<std::string>());
    ASSERT_NE(o, nullptr);
    EXPECT_EQ(o->clip_low, c["clip_low"].get<double>());
    EXPECT_EQ(o->clip_high, c["clip_high"].get<double>());
    EXPECT_EQ(o->kl_coef, c["kl_coef"].get<double>());
    const auto advantage = advantages(golden["rewards"].get<std::vector<double>>(),
                                      golden["group_size"], o->advantage);
    for (size_t i = 0; i < advantage.size(); ++i)
      EXPECT_NEAR(advantage[i], c["advantages"][i].get<double>(), 1e-12);
    const auto answers = answers_of(advantage, logp, old_logp, ref);
    const PolicyLoss loss = policy_loss(*o, answers, golden["max_length"]);
    EXPECT_NEAR(loss.loss, c["loss"].get<double>(), 1e-9);
    EXPECT_NEAR(loss.mean_kl, c["mean_kl"].get<double>(), 1e-9);
    EXPECT_NEAR(loss.clipped_share, c["clipped_share"].get<double>(), 1e-9);
    const Rows want = c["grad"];
    ASSERT_EQ(want.size(), loss.gradient.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(want[i].size(), loss.gradient[i].size());
      for (size_t t = 0; t < want[i].size(); ++t)
        EXPECT_NEAR(loss.gradient[i][t], want[i][t], 1e-9) << i << " " << t;
    }
  }
}

TEST(PolicyLoss, OnPolicyEveryObjectiveStartsFromTheSameGradientSigns) {
  // With new = old every ratio is 1, nothing is clipped, and without KL a token's gradient is
  // -weight * advantage.
  const Rows logp = {{-1, -2, -0.5}, {-3, -0.25}};
  for (const std::string_view name : objective_names()) {
    SCOPED_TRACE(name);
    PolicyObjective o = *find_objective(name);
    o.kl_coef = 0;
    const auto answers = answers_of({0.5, -0.5}, logp, logp, {{}, {}});
    const PolicyLoss loss = policy_loss(o, answers, 4);
    EXPECT_EQ(loss.clipped_share, 0);
    for (const double g : loss.gradient[0]) EXPECT_LT(g, 0);
    for (const double g : loss.gradient[1]) EXPECT_GT(g, 0);
  }
}

TEST(PolicyLoss, GroupsWithoutSpreadGiveNoSignal) {
  for (const Advantage kind : {Advantage::kStd, Advantage::kMean}) {
    for (const double a : advantages(std::vector<double>{1, 1, 0, 0}, 2, kind)) EXPECT_EQ(a, 0);
  }
}

TEST(PolicyLoss, OverlongAnswersPayAlongTheRamp) {
  R1_TEST_DATA(path, "golden/policy_losses.json");
  const Json golden = Json::parse(read_test_file(path));
  for (const Json& c : golden["overlong"])
    EXPECT_DOUBLE_EQ(overlong_penalty(c["length"], c["max"], c["buffer"]), c["penalty"]);
}

}  // namespace
}  // namespace r1
