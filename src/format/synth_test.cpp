#include "format/synth.h"

#include <cmath>

#include "format/parameters.h"
#include "format/test_bytes.h"

namespace r1 {
namespace {

std::string synthesize(const TemporaryFolder& folder, const char* type, uint64_t seed,
                       int n_threads) {
  const std::string path = folder.path(fmt::format("{}-{}-{}.gguf", type, seed, n_threads));
  ThreadPool threads(n_threads);
  const auto size = write_synthetic(**find_shape("tiny"), **find_mix(type), seed, path, threads,
                                    [](uint64_t, uint64_t) {});
  EXPECT_EQ(message(size), "");
  EXPECT_EQ(*size, std::filesystem::file_size(path));
  return path;
}

TEST(Synth, WritesTheShapeInEveryMix) {
  const TemporaryFolder folder;
  const ModelShape& tiny = **find_shape("tiny");
  for (const Mix& mix : all_mixes()) {
    const auto file = WeightFile::open(synthesize(folder, std::string(mix.name).c_str(), 0, 1));
    ASSERT_EQ(message(file), "") << mix.name;
    EXPECT_EQ(file->tensors().size(), 2u + 9u * 2u);
    EXPECT_EQ(**file->integer("llama.block_count"), tiny.n_layers);
    EXPECT_EQ(file->find("blk.1.ffn_down.weight")->shape,
              (std::vector<int64_t>{tiny.dim, tiny.inter_dim}));
    uint64_t bytes = 0;
    for (const TensorInfo& t : file->tensors()) bytes += t.bytes.size();
    EXPECT_EQ(bytes, synth_bytes(tiny, mix)) << mix.name;
  }
}

TEST(Synth, WeightsAreNormalAndNormsOne) {
  const TemporaryFolder folder;
  const auto file = WeightFile::open(synthesize(folder, "f32", 3, 2));
  ASSERT_EQ(message(file), "");
  const auto values = [&](const char* name) {
    const TensorInfo* t = file->find(name);
    std::vector<float> v(t->bytes.size() / sizeof(float));
    std::memcpy(v.data(), t->bytes.data(), t->bytes.size());
    return v;
  };
  for (const float x : values("output_norm.weight")) EXPECT_EQ(x, 1.0f);
  const auto weights = values("token_embd.weight");
  double sum = 0, squares = 0;
  for (const float x : weights) sum += x, squares += static_cast<double>(x) * x;
  const auto n = static_cast<double>(weights.size());
  EXPECT_NEAR(sum / n, 0, 0.001);
  EXPECT_NEAR(std::sqrt(squares / n), 0.02, 0.001);
  EXPECT_NE(values("blk.0.attn_q.weight"), values("blk.1.attn_q.weight"));
}

TEST(Synth, DependsOnTheSeedAloneAndNotOnThreads) {
  const TemporaryFolder folder;
  const auto read = [](const std::string& path) { return *read_file(path, 1 << 24); };
  const std::string one = read(synthesize(folder, "q4_k_m", 5, 1));
  EXPECT_EQ(one, read(synthesize(folder, "q4_k_m", 5, 2)));
  EXPECT_NE(one, read(synthesize(folder, "q4_k_m", 6, 1)));
}

TEST(Synth, DistillsHaveThePublishedSizes) {
  // Bytes of the published Q4_K_M files' tensors.
  EXPECT_EQ(synth_bytes(**find_shape("r1-distill-llama-8b"), **find_mix("q4_k_m")), 4'912'898'304u);
  EXPECT_EQ(synth_bytes(**find_shape("r1-distill-qwen-7b"), **find_mix("q4_k_m")), 4'677'120'000u);
  // Parameters of the others: BF16 takes two bytes for each but the F32 vectors.
  const struct {
    const char* name;
    uint64_t parameters;
  } kCases[] = {{"smollm2-135m", 134'515'008},
                {"r1-distill-qwen-1.5b", 1'777'088'000},
                {"r1-distill-qwen-14b", 14'770'033'664},
                {"r1-distill-qwen-32b", 32'763'876'352},
                {"r1-distill-llama-70b", 70'553'706'496}};
  for (const auto& c : kCases) {
    const ModelShape& s = **find_shape(c.name);
    uint64_t counted = synth_bytes(s, **find_mix("f32")) / 4;
    if (s.llama3_rope)
      counted -= static_cast<uint64_t>(s.head_dim) / 2;  // the divisors are no parameters
    EXPECT_EQ(counted, c.parameters) << c.name;
  }
}

TEST(Synth, DeepSeekHasThePublishedTensors) {
  const ModelShape& r1 = **find_shape("deepseek-r1");
  const auto tensors = shape_tensors(r1);
  EXPECT_EQ(tensors.size(), 1086u);
  uint64_t parameters = 0;
  for (const ShapeTensor& t : tensors) parameters += t.elements();
  EXPECT_EQ(parameters, 671'026'419'200u);
  uint64_t vectors = 0;  // what quantizing leaves in F32
  for (const ShapeTensor& t : tensors)
    vectors +=
        choose_type(**find_mix("q4_k_m"), {r1.n_layers, false, gqa(r1)}, t.name, t.shape).type ==
        DType::kF32;
  EXPECT_EQ(vectors, 361u);
}

TEST(Synth, WritesExpertsAndPredictionLayers) {
  const TemporaryFolder folder;
  const ModelShape& tiny = **find_shape("tiny-deepseek");
  ThreadPool threads(1);
  const std::string path = folder.path("ds.gguf");
  ASSERT_TRUE(
      write_synthetic(tiny, **find_mix("q4_k_m"), 0, path, threads, [](uint64_t, uint64_t) {}));
  const auto file = WeightFile::open(path);
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(**file->integer("deepseek2.block_count"), 4);
  EXPECT_EQ(**file->integer("deepseek2.nextn_predict_layers"), 1);
  EXPECT_EQ(**file->integer("deepseek2.attention.key_length"), 256 + 32);
  EXPECT_EQ(file->find("blk.1.ffn_down_exps.weight")->shape, (std::vector<int64_t>{8, 256, 256}));
  EXPECT_EQ(file->find("blk.1.exp_probs_b.bias")->dtype, DType::kF32);
  EXPECT_EQ(file->find("blk.0.ffn_down_exps.weight"), nullptr);
  EXPECT_EQ(file->find("blk.3.nextn.eh_proj.weight")->shape, (std::vector<int64_t>{256, 512}));
  EXPECT_EQ(**file->number("deepseek2.rope.scaling.yarn_log_multiplier"), 0.1f);
}

TEST(Synth, NamesWhatThereIs) {
  EXPECT_SAYS(message(find_shape("gpt-5")), "no shape 'gpt-5': the shapes are tiny, smollm2-135m");
}

}  // namespace
}  // namespace r1
