#include "infer/fit.h"

#include "format/synth.h"
#include "format/test_bytes.h"
#include "infer/engine.h"
#include "infer/memory.h"
#include "model/model.h"

namespace r1 {
namespace {

constexpr uint64_t kGiB = 1ull << 30;

FitRow on_gpu(const char* model, const char* mix, uint64_t gib) {
  for (const FitRow& row : fit_all(**find_shape(model), {.memory = gib * kGiB, .gpu = true}, 0)) {
    if (row.name == mix) return row;
  }
  ADD_FAILURE() << mix;
  return {};
}

// Weights of every published quantization, GiB.
TEST(Fit, WeightsAreThePublishedOnes) {
  constexpr struct {
    const char* model;
    double q3_k_m, iq4_xs, q4_k_m, q5_k_m, q6_k, q8_0, f16;
  } kTable[] = {{"r1-distill-qwen-1.5b", 0.86, 0.94, 1.04, 1.19, 1.36, 1.76, 3.31},
                {"r1-distill-qwen-7b", 3.54, 3.92, 4.36, 5.07, 5.82, 7.54, 14.2},
                {"r1-distill-llama-8b", 3.74, 4.13, 4.58, 5.33, 6.14, 7.95, 15.0},
                {"r1-distill-qwen-14b", 6.83, 7.56, 8.37, 9.78, 11.3, 14.6, 27.5},
                {"r1-distill-qwen-32b", 14.8, 16.5, 18.5, 21.7, 25.0, 32.4, 61.0},
                {"r1-distill-llama-70b", 31.9, 35.3, 39.6, 46.5, 53.9, 69.8, 131}};
  for (const auto& t : kTable) {
    const std::pair<const char*, double> kColumns[] = {
        {"q3_k_m", t.q3_k_m}, {"iq4_xs", t.iq4_xs}, {"q4_k_m", t.q4_k_m}, {"q5_k_m", t.q5_k_m},
        {"q6_k", t.q6_k},     {"q8_0", t.q8_0},     {"f16", t.f16}};
    for (const auto& [mix, gib] : kColumns) {
      const double ours = static_cast<double>(on_gpu(t.model, mix, 1).weights) / kGiB;
      EXPECT_NEAR(ours, gib, std::max(0.006, 0.006 * gib)) << t.model << " " << mix;
    }
  }
}

// 7B on 8 GB, 14B on 16, 32B on 32, 70B on 48; contexts in thousands.
TEST(Fit, TheSeedTable) {
  constexpr struct {
    const char* model;
    uint64_t gib;
    const char* mix;
    int64_t thousands;
  } kTable[] = {
      {"r1-distill-qwen-7b", 8, "q4_k_m", 46},    {"r1-distill-qwen-7b", 8, "q5_k_m", 33},
      {"r1-distill-qwen-7b", 8, "q6_k", 19},      {"r1-distill-llama-8b", 8, "q4_k_m", 18},
      {"r1-distill-llama-8b", 8, "q5_k_m", 12},   {"r1-distill-qwen-14b", 16, "q4_k_m", 33},
      {"r1-distill-qwen-14b", 16, "q5_k_m", 25},  {"r1-distill-qwen-14b", 16, "q6_k", 17},
      {"r1-distill-qwen-32b", 32, "q4_k_m", 45},  {"r1-distill-qwen-32b", 32, "q5_k_m", 32},
      {"r1-distill-qwen-32b", 32, "q6_k", 18},    {"r1-distill-llama-70b", 48, "q4_k_m", 17},
      {"r1-distill-llama-70b", 48, "iq4_xs", 31}, {"r1-distill-llama-70b", 48, "q3_k_m", 42},
      {"r1-distill-qwen-32b", 24, "q4_k_m", 14}};
  for (const auto& t : kTable)
    EXPECT_NEAR(static_cast<double>(on_gpu(t.model, t.mix, t.gib).context) / 1000,
                static_cast<double>(t.thousands), 1)
        << t.model << " " << t.mix;
  constexpr std::tuple<const char*, uint64_t, const char*> kNot[] = {
      {"r1-distill-qwen-7b", 8, "q8_0"},
      {"r1-distill-llama-8b", 8, "q8_0"},
      {"r1-distill-qwen-14b", 16, "q8_0"},
      {"r1-distill-qwen-32b", 32, "q8_0"},
      {"r1-distill-llama-70b", 48, "q5_k_m"}};
  for (const auto& [model, gib, mix] : kNot)
    EXPECT_FALSE(on_gpu(model, mix, gib).runs()) << model << " " << mix;
}

TEST(Fit, R1Itself) {
  const ModelShape& r1 = **find_shape("deepseek-r1");
  EXPECT_EQ(kv_shape(r1, DType::kBF16).bytes_per_token(), 61u * 576u * 2u);  // 68.6 KiB
  const FitMachine machine{.memory = 64 * kGiB, .read_gbps = 50, .disk_gbps = 5};
  const FitRow row = fit_mix(r1, **find_mix("q4_k_m"), machine, 0);
  EXPECT_NEAR(static_cast<double>(row.weights) / 1e9, 404, 4);
  EXPECT_TRUE(row.runs() && row.streamed);
  EXPECT_LT(row.resident + row.cache, machine.memory);
  EXPECT_GT(row.disk_per_token, 15'000'000'000u * 6 / 10);
  const FitRow fast = fit_mix(r1, **find_mix("q4_k_m"), {.memory = 512 * kGiB, .read_gbps = 50}, 0);
  EXPECT_FALSE(fast.streamed);
  EXPECT_EQ(fast.disk_per_token, 0u);
  EXPECT_GT(fast.tokens_per_second, 2 * row.tokens_per_second);
}

TEST(Fit, SpeedIsBytesOverBandwidth) {
  const FitRow row = fit_mix(**find_shape("r1-distill-qwen-7b"), **find_mix("q8_0"),
                             {.memory = 64 * kGiB, .read_gbps = 40}, 0);
  EXPECT_NEAR(row.tokens_per_second * static_cast<double>(row.read_per_token), 40e9, 1);
}

TEST(Fit, ChoosesRoomForThoughtsThenQuality) {
  const auto choice = [](const char* model, uint64_t gib, bool gpu) {
    const auto rows =
        fit_all(**find_shape(model),
                {.memory = gib * kGiB, .gpu = gpu, .read_gbps = 50, .disk_gbps = 3}, 0);
    const auto best = choose_fit(rows, kThoughtContext);
    return best ? rows[*best].name : "none";
  };
  EXPECT_EQ(choice("r1-distill-qwen-7b", 8, true), "q6_k");
  EXPECT_EQ(choice("r1-distill-llama-8b", 8, true), "q4_k_m");
  EXPECT_EQ(choice("r1-distill-llama-70b", 48, true), "q4_k_m");
  EXPECT_EQ(choice("r1-distill-llama-70b", 16, true), "none");
  EXPECT_EQ(choice("deepseek-r1", 64, false), "q2_k");  // streamed: the fewest bytes are fastest
}

// What `r1 fit` foretells is what the engine then holds and plans.
TEST(Fit, ForetellsTheLoadedModel) {
  const TemporaryFolder folder;
  Context ctx(*chosen_isa(), 1);
  for (const char* name : {"tiny", "tiny-deepseek"}) {
    const ModelShape& shape = **find_shape(name);
    for (const char* mix : {"q8_0", "q4_k_m", "bf16"}) {
      SCOPED_TRACE(std::string(name) + " " + mix);
      const std::string path = folder.path("m.gguf");
      ThreadPool threads(1);
      ASSERT_TRUE(
          write_synthetic(shape, **find_mix(mix), 0, path, threads, [](uint64_t, uint64_t) {}));
      const auto file = WeightFile::open(path);
      const auto model = Model::load(*file, {}, ctx);
      ASSERT_TRUE(model) << message(model);
      const FitMachine machine{.memory = kGiB, .isa = ctx.isa()};
      const FitRow row = fit_file(*read_shape(*file), *file, machine, 0);
      const auto real = static_cast<double>((*model)->weight_bytes());
      EXPECT_NEAR(static_cast<double>(row.weights), real, 0.03 * real);
      EXPECT_EQ(row.weights, fit_mix(shape, **find_mix(mix), machine, 0).weights);
      EXPECT_EQ(row.kv_per_token, (*model)->kv_shape(DType::kF16).bytes_per_token());
      EXPECT_NEAR(static_cast<double>(row.read_per_token),
                  static_cast<double>((*model)->step_bytes(1)), 0.03 * real);

      // An engine that is given the least has the context; given the most, no more than alone.
      const ModelRoom room = *model_room(*file, machine, 64);
      for (const uint64_t memory : {room.least, room.most}) {
        EngineOptions options;
        options.threads = 1;
        options.context = 64;
        options.memory = memory;
        const auto engine = Engine::load(path, options);
        ASSERT_TRUE(engine) << message(engine);
        EXPECT_LE((*engine)->memory(), memory);
        EXPECT_GE((*engine)->memory() + memory / 3, memory);
      }
    }
  }
}

TEST(Fit, SpeculationHasItsLayerAndItsDraft) {
  const TemporaryFolder folder;
  Context ctx(*chosen_isa(), 1);
  const ModelShape& shape = **find_shape("tiny-deepseek");
  const std::string path = folder.path("m.gguf");
  ThreadPool threads(1);
  ASSERT_TRUE(
      write_synthetic(shape, **find_mix("q8_0"), 0, path, threads, [](uint64_t, uint64_t) {}));
  const auto file = WeightFile::open(path);
  const auto with = Model::load(*file, {.mtp = true}, ctx);
  ASSERT_TRUE(with) << message(with);
  const FitMachine plain{.memory = kGiB, .isa = ctx.isa()};
  FitMachine machine = plain;
  machine.mtp = true;
  const FitRow before = fit_file(shape, *file, plain, 0), row = fit_file(shape, *file, machine, 0);
  const auto real = static_cast<double>((*with)->weight_bytes());
  EXPECT_NEAR(static_cast<double>(row.weights), real, 0.03 * real);
  EXPECT_EQ(row.kv_per_token, (*with)->kv_shape(DType::kF16).bytes_per_token());
  EXPECT_GT(row.weights, before.weights);
  EXPECT_EQ(row.read_per_token, before.read_per_token);

  machine = plain;
  ASSERT_TRUE(add_draft(*file, machine));
  const FitRow drafted = fit_file(shape, *file, machine, 0);
  EXPECT_EQ(drafted.weights, 2 * before.weights);
  EXPECT_EQ(drafted.kv_per_token, 2 * before.kv_per_token);
  EngineOptions options;
  options.threads = 1;
  options.context = 64;
  options.speculate = Speculate::kDraft;
  options.draft_model = path;
  options.memory = model_room(*file, machine, 64)->least;
  const auto engine = Engine::load(path, options);
  ASSERT_TRUE(engine) << message(engine);
  EXPECT_LE((*engine)->memory(), options.memory);
}

TEST(Fit, TheEngineReadsExpertsThatDoNotFit) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.gguf");
  ThreadPool threads(1);
  ASSERT_TRUE(write_synthetic(**find_shape("tiny-deepseek"), **find_mix("q8_0"), 0, path, threads,
                              [](uint64_t, uint64_t) {}));
  const auto answer = [&](uint64_t memory, std::string& startup) {
    EngineOptions options;
    options.threads = 1;
    options.context = 128;
    options.memory = memory;
    const auto engine = Engine::load(path, options);
    EXPECT_TRUE(engine) << message(engine);
    startup = (*engine)->startup_line();
    GenerateParams params;
    params.sampling.temperature = 1;
    params.sampling.seed = 5;
    params.max_tokens = 40;
    return *(*engine)->complete({1, 2, 3, 4, 5}, "", params, nullptr);
  };
  std::string all_startup, some_startup;
  const Completion all = answer(kGiB, all_startup);
  const auto file = WeightFile::open(path);
  const FitMachine machine{.memory = kGiB, .isa = *chosen_isa()};
  const uint64_t weights = fit_file(*read_shape(*file), *file, machine, 0).weights;
  const Completion some = answer(weights * 9 / 10, some_startup);
  EXPECT_EQ(some.answer, all.answer);
  EXPECT_EQ(some.generated_tokens, all.generated_tokens);
  EXPECT_EQ(all.experts_asked, 0u);
  EXPECT_GT(some.experts_asked, some.experts_found);
  EXPECT_GT(some.expert_bytes_read, 0u);
  EXPECT_EQ(all_startup.find("experts"), std::string::npos);
  EXPECT_SAYS(some_startup, "resident, experts in the file");
}

}  // namespace
}  // namespace r1
