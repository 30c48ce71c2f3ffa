// What only DeepSeek's models have: the experts chosen, the layer that predicts the token after
// next, the two forms of latent attention and the cache each keeps. References as in
// model_test.cpp.
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "format/quantize.h"
#include "format/test_bytes.h"
#include "model/replay.h"
#include "tests/golden/golden.h"
#include "tests/golden/random_deepseek.h"

namespace r1 {
namespace {

class DeepSeek : public testing::TestWithParam<std::string> {
 protected:
  // Replays tokens_a (48) and tokens_b (200).
  static std::vector<Replay> run(const std::string& path, Context& ctx, MlaForm form,
                                 std::shared_ptr<ExpertCache> cache = nullptr) {
    LoadOptions load{
        .compute = Compute::kF32, .mla = form, .mtp = true, .expert_cache = std::move(cache)};
    const auto model = load_model(path, load, ctx);
    const auto golden = open(find_test_data("golden/" + GetParam()));
    ReplayOptions options;
    options.experts = true;
    options.mtp = model->drafts();
    options.chunk = 40;
    return must(replay(
        *model, ctx,
        {golden_tensor<int32_t>(golden, "tokens_a"), golden_tensor<int32_t>(golden, "tokens_b")},
        options));
  }
  static WeightFile open(const std::string& folder) {
    return must(WeightFile::open(folder + "/golden.safetensors"));
  }
};

TEST_P(DeepSeek, ExpertsAndDraftsAreTheReferences) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  const auto golden = open(folder);
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    Context ctx(isa, 2);
    for (const MlaForm form : {MlaForm::kAbsorbed, MlaForm::kPlain}) {
      SCOPED_TRACE(form == MlaForm::kPlain ? "plain" : "absorbed");
      const auto replays = run(folder, ctx, form);
      ASSERT_EQ(replays[0].experts.size(), 3u);
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(replays[0].experts[i],
                  golden_tensor<int32_t>(golden, "experts_" + std::to_string(i + 1)))
            << "layer " << i + 1;
      }
      EXPECT_LE(max_difference(replays[0].logits, golden_tensor<float>(golden, "logits_a")), 1e-3f);
      EXPECT_LE(max_difference(replays[1].logits, golden_tensor<float>(golden, "logits_b")), 1e-3f);
      EXPECT_EQ(replays[0].mtp_logits.empty(), GetParam() != "deepseek_v3");
      if (GetParam() != "deepseek_v3") continue;
      const auto want = golden_tensor<float>(golden, "mtp_logits_a");
      EXPECT_LE(max_difference(replays[0].mtp_logits, want), 1e-3f);
    }
  }
}

// Written as GGUF by `r1 quantize`, experts kept in the file with room for five of 48 in memory.
TEST_P(DeepSeek, AsGgufAndWithExpertsInTheFile) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  const TemporaryFolder temporary;
  const auto checkpoint = WeightFile::open(folder);
  ASSERT_TRUE(checkpoint);
  ThreadPool threads(2);
  const std::string path = temporary.path("model.gguf");
  ASSERT_TRUE(quantize(*checkpoint, path, **find_mix("f32"), threads, [](uint64_t, uint64_t) {}));
  const auto golden = open(folder);
  Context ctx(*chosen_isa(), 2);
  const auto resident = run(path, ctx, MlaForm::kAbsorbed);
  EXPECT_LE(max_difference(resident[0].logits, golden_tensor<float>(golden, "logits_a")), 1e-3f);
  EXPECT_LE(max_difference(resident[1].logits, golden_tensor<float>(golden, "logits_b")), 1e-3f);
  const auto cache = std::make_shared<ExpertCache>(5 * 4 * 3 * 64 * 288);
  const auto streamed = run(path, ctx, MlaForm::kAbsorbed, cache);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(streamed[i].logits, resident[i].logits);
  EXPECT_EQ(streamed[0].mtp_logits, resident[0].mtp_logits);
  EXPECT_GT(cache->use().bytes_read, cache->stored());
}

TEST_P(DeepSeek, TheAbsorbedFormKeepsOneVectorATokenAndLayer) {
  R1_TEST_DATA(folder, "golden/" + GetParam());
  Context ctx(Isa::kRef, 1);
  const auto absorbed = load_model(folder, Compute::kF32, ctx);
  const auto& m = absorbed->config().mla;
  EXPECT_EQ(absorbed->kv_shape(DType::kBF16).bytes_per_token(),
            static_cast<uint64_t>(4 * 2 * (m.kv_lora_rank + m.qk_rope_head_dim)));
  LoadOptions options{.compute = Compute::kF32, .mla = MlaForm::kPlain};
  const auto plain = load_model(folder, options, ctx);
  EXPECT_EQ(plain->kv_shape(DType::kBF16).bytes_per_token(),
            static_cast<uint64_t>(4 * 2 * 4 * (32 + 16 + 32)));
}

// Logits and drafts of the random model.
std::vector<float> run_random(const RandomDeepSeek& model, const LoadOptions& load) {
  const std::string path =
      testing::TempDir() + "r1_deepseek_" + std::to_string(::getpid()) + ".gguf";
  write_random(model, path);
  Context ctx(supported_isas().back(), 2);
  const auto loaded = load_model(path, load, ctx);
  std::filesystem::remove(path);
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 40; ++i) ids.push_back(i * 7 % 40);
  ReplayOptions options;
  options.mtp = load.mtp;
  const Replay said = must(replay(*loaded, ctx, {ids}, options))[0];
  std::vector<float> all = said.logits;
  all.insert(all.end(), said.mtp_logits.begin(), said.mtp_logits.end());
  return all;
}

TEST(DeepSeekFiles, EveryLayoutIsTheSameModel) {
  for (const MlaForm form : {MlaForm::kAbsorbed, MlaForm::kPlain}) {
    for (const DType type : {DType::kF32, DType::kBF16}) {
      LoadOptions load{.mla = form, .mtp = true};
      const auto want = run_random({.type = type, .layout = KvLayout::kOne}, load);
      for (const KvLayout layout : {KvLayout::kSplit, KvLayout::kFlat, KvLayout::kBoth})
        EXPECT_EQ(run_random({.type = type, .layout = layout, .k_b_type = type}, load), want);
    }
  }
}

TEST(DeepSeekFiles, BlocksAreTransposedExactly) {
  for (const DType type : {DType::kQ8_0, DType::kQ4_K, DType::kQ6_K}) {
    SCOPED_TRACE(info(type).name);
    const auto want = run_random({.type = type, .layout = KvLayout::kOne}, {});
    EXPECT_EQ(run_random({.type = type, .k_b_type = DType::kF32}, {}), want);
  }
}

TEST(DeepSeekFiles, TheFormsAgree) {
  const LoadOptions exact{.compute = Compute::kF32};
  const LoadOptions plain{.compute = Compute::kF32, .mla = MlaForm::kPlain};
  const RandomDeepSeek model{.type = DType::kQ4_K, .layout = KvLayout::kOne};
  EXPECT_LE(max_difference(run_random(model, exact), run_random(model, plain)), 1e-3f);
}

INSTANTIATE_TEST_SUITE_P(, DeepSeek,
                         testing::Values("deepseek_v3", "deepseek_v3_fp8", "deepseek_v3_no_q_lora",
                                         "deepseek_v2_lite"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace r1
