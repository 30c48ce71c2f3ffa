// What must not change a gradient, by a single bit: threads, how a batch is split, what is computed
// again instead of kept.
#include <cstring>

#include "tests/golden/learning.h"

namespace r1 {
namespace {

using Gradients = std::vector<std::vector<float>>;

struct Way {
  int threads = 1;
  int64_t micro_batch = 1 << 20;
  bool recompute = false;
};

class Training : public testing::TestWithParam<std::string> {
 protected:
  // Of the log-probabilities of three sequences of different lengths.
  Gradients gradients(const std::string& folder, Isa isa, DType dtype, const Way& way) {
    const auto golden = WeightFile::open(folder + "/golden.safetensors");
    if (!golden) throw std::runtime_error("no " + folder);
    const auto a = golden_tensor<int32_t>(*golden, "tokens_a"),
               b = golden_tensor<int32_t>(*golden, "tokens_b");
    const std::vector<TrainSequence> batch = {
        {std::span(b).first(70), 3}, {a, 1}, {std::span(b).subspan(5, 33), 20}};
    Context ctx(isa, way.threads);
    const auto model = load_to_learn(folder, dtype, ctx);
    Learner::Options options;
    options.micro_batch = way.micro_batch;
    options.recompute = way.recompute;
    Learner learner(*model, ctx, options);
    must(learner.accumulate(
        batch, [](size_t sequence, std::span<const float>, std::span<float> gradient) {
          std::fill(gradient.begin(), gradient.end(), -0.1f * static_cast<float>(sequence + 1));
        }));
    Gradients all;
    for (size_t i = 0; i < model->parameters().size(); ++i)
      all.emplace_back(learner.gradient(i).begin(), learner.gradient(i).end());
    return all;
  }

  static void expect_same_bits(const Gradients& a, const Gradients& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].size(), b[i].size());
      EXPECT_EQ(std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)), 0) << i;
    }
  }
};

TEST_P(Training, ThreadsAndRecomputationDoNotChangeABitOfAGradient) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  for (const Isa isa : supported_isas()) {
    for (const DType dtype : {DType::kF32, DType::kBF16}) {
      SCOPED_TRACE(testing::Message() << name(isa) << ' ' << info(dtype).name);
      const Gradients want = gradients(folder, isa, dtype, {});
      expect_same_bits(gradients(folder, isa, dtype, {.threads = 3}), want);
      expect_same_bits(gradients(folder, isa, dtype, {.threads = 2, .recompute = true}), want);
    }
  }
}

// Sequences one by one or packed: every parameter's gradient is one chain over the tokens, but for
// what is summed of two uses (a tied embedding) or over the sequences' own sums.
TEST_P(Training, SplittingABatchGivesTheSameGradients) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  const Isa isa = supported_isas().back();
  const Gradients packed = gradients(folder, isa, DType::kF32, {}),
                  separate = gradients(folder, isa, DType::kF32, {.micro_batch = 1});
  for (size_t i = 0; i < packed.size(); ++i) {
    double difference = 0, norm = 0;
    for (size_t j = 0; j < packed[i].size(); ++j) {
      difference += std::pow(double{packed[i][j]} - double{separate[i][j]}, 2);
      norm += std::pow(double{packed[i][j]}, 2);
    }
    EXPECT_LE(std::sqrt(difference), 2e-6 * std::sqrt(norm)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(, Training, testing::Values("qwen2", "deepseek_v3"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace r1
