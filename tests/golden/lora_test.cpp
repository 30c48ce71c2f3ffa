// Low-rank updates over a base of any type, dense or with experts and latent attention: law 1 holds
// with them, their gradients are the derivatives of the forward, and adapters go out and come back
// as the same numbers.
#include <cmath>
#include <filesystem>
#include <numeric>

#include "format/quantize.h"
#include "tensor/ops.h"
#include "tests/golden/golden.h"
#include "tests/golden/random_deepseek.h"
#include "train/export.h"
#include "train/learner.h"

namespace r1 {
namespace {

const std::vector<int32_t> kIds = {1, 17, 5, 39, 3, 22, 8, 12, 24, 2, 31, 37};

struct Base {
  std::string type;
  bool deepseek = false;  // else llama
  KvLayout layout = KvLayout::kSplit;
};

class Lora : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/r1-lora-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The small model of the repository, or a random DeepSeek-V3, in another type.
  std::string base(const Base& b) {
    const std::string path = folder_ + "/base.gguf", in_type = folder_ + "/base.typed.gguf";
    if (b.deepseek) {
      write_random({.type = DType::kF32, .layout = b.layout}, path);
    } else {
      std::filesystem::copy_file(R1_SOURCE "/models/stories260K/stories260K.f32.gguf", path,
                                 std::filesystem::copy_options::overwrite_existing);
    }
    const auto file = WeightFile::open(path);
    ThreadPool threads(1);
    EXPECT_TRUE(quantize(*file, in_type, **find_mix(b.type), threads, [](uint64_t, uint64_t) {}));
    return in_type;
  }
  static LoadOptions options(const Base& b, Compute compute, MlaForm form = MlaForm::kPlain) {
    LoraOptions lora;
    lora.rank = 4;
    lora.alpha = 8;
    lora.match = {"q_proj", "attn_v", "*.ffn_*.weight"};
    if (b.deepseek) lora.match = {"q_a_proj", "attn_kv_b", "down_proj", "*_exps.weight"};
    lora.seed = 5;
    LoadOptions load{.compute = compute, .mla = form};
    load.lora = lora;
    return load;
  }
  // B is no longer 0: the updates do something.
  static void disturb(const Model& model, Context& ctx) {
    for (const ModelParameter& p : model.parameters()) {
      for (int64_t i = 0; i < p.values.size(); ++i)
        p.values.data()[i] += 0.02f * static_cast<float>(i % 5 - 2);
      p.refresh(ctx);
    }
  }
  static std::vector<float> logits_of(const Model& model, Context& ctx, size_t chunk) {
    KvPages kv = must(KvPages::create(model.kv_shape(DType::kF32), 1));
    const int32_t page = 0;
    std::vector<float> all;
    for (size_t at = 0; at < kIds.size(); at += chunk) {
      const size_t n = std::min(chunk, kIds.size() - at);
      Batch batch;
      batch.tokens.assign(kIds.begin() + static_cast<std::ptrdiff_t>(at),
                          kIds.begin() + static_cast<std::ptrdiff_t>(at + n));
      batch.parts = {{0, static_cast<int32_t>(n), static_cast<int32_t>(at), {&page, 1}}};
      batch.wanted.resize(n);
      std::iota(batch.wanted.begin(), batch.wanted.end(), 0);
      const Tensor y = model.forward(ctx, batch, kv);
      all.insert(all.end(), y.data(), y.data() + y.size());
    }
    return all;
  }

  std::string folder_;
};

// A model, and the form of its latent attention.
struct Setting {
  Base base;
  MlaForm form = MlaForm::kPlain;
};

TEST_F(Lora, OneArithmeticForDecodingPrefillAndTraining) {
  const Setting settings[] = {{{"q4_0"}},
                              {{"q8_0"}},
                              {{"bf16"}},
                              {{"q4_0", true}},
                              {{"bf16", true}, MlaForm::kAbsorbed},
                              {{"q8_0", true, KvLayout::kOne}, MlaForm::kAbsorbed},
                              {{"q8_0", true, KvLayout::kOne}}};
  for (const auto& [b, form] : settings) {
    SCOPED_TRACE(b.type);
    const std::string path = base(b);
    for (const Isa isa : supported_isas()) {
      Context ctx(isa, 2);
      const auto model = load_model(path, options(b, Compute::kFast, form), ctx);
      const auto plain = load_model(path, LoadOptions{.mla = form}, ctx);
      EXPECT_EQ(logits_of(*model, ctx, 1), logits_of(*plain, ctx, 1));  // B = 0 changes nothing
      disturb(*model, ctx);
      const auto alone = logits_of(*model, ctx, 1);
      EXPECT_NE(alone, logits_of(*plain, ctx, 1));
      EXPECT_EQ(logits_of(*model, ctx, 5), alone);
      EXPECT_EQ(logits_of(*model, ctx, kIds.size()), alone);
      if (b.deepseek) {  // experts that stay in the file
        LoadOptions streamed = options(b, Compute::kFast, form);
        streamed.expert_cache = std::make_shared<ExpertCache>(4 << 20);
        const auto in_file = load_model(path, streamed, ctx);
        disturb(*in_file, ctx);
        EXPECT_EQ(logits_of(*in_file, ctx, 5), alone);
      }

      // What training computes, with its tape open, of the packed batch and of one sequence.
      Learner learner(*model, ctx, {});
      const std::vector<TrainSequence> batch = {{std::span(kIds).first(7)}, {kIds}};
      std::vector<float> with_tape;
      ASSERT_TRUE(learner.accumulate(
          batch, [&](size_t, std::span<const float> logp, std::span<float> gradient) {
            with_tape.insert(with_tape.end(), logp.begin(), logp.end());
            std::ranges::fill(gradient, -1.0f);
          }));
      std::vector<float> wanted;
      const auto vocab = static_cast<int64_t>(alone.size() / kIds.size());
      const auto n_ids = static_cast<int64_t>(kIds.size());
      const Tensor logits = ctx.tensor(n_ids - 1, vocab);
      std::copy_n(alone.data(), logits.size(), logits.data());
      const Tensor logp = log_probability(ctx, logits, std::span(kIds).subspan(1));
      for (const int64_t n : {int64_t{7}, n_ids})
        wanted.insert(wanted.end(), logp.data(), logp.data() + n - 1);
      EXPECT_EQ(with_tape, wanted);
    }
  }
}

TEST_F(Lora, GradientsAreTheDerivatives) {
  Context ctx(*chosen_isa(), 2);
  const Setting settings[] = {
      {{"q4_0"}}, {{"f32"}}, {{"f32", true}}, {{"q8_0", true, KvLayout::kOne}, MlaForm::kAbsorbed}};
  for (const auto& [b, form] : settings) {
    SCOPED_TRACE(b.type);
    const auto model = load_model(base(b), options(b, Compute::kF32, form), ctx);
    disturb(*model, ctx);
    Learner learner(*model, ctx, {});
    const TrainSequence sequence{kIds};
    ASSERT_TRUE(learner.accumulate({&sequence, 1},
                                   [](size_t, std::span<const float>, std::span<float> gradient) {
                                     std::ranges::fill(gradient, -1.0f);
                                   }));
    const auto loss = [&] {
      double sum = 0;
      const auto logp = learner.log_probabilities({&sequence, 1});
      for (const float x : *logp) sum -= double{x};
      return sum;
    };
    double checked = 0;
    for (size_t i = 0; i < model->parameters().size(); ++i) {
      const ModelParameter& p = model->parameters()[i];
      // Along the gradient itself the loss changes by its norm.
      const std::vector<float> g(learner.gradient(i).begin(), learner.gradient(i).end());
      const double norm = std::sqrt(squared_norm(g));
      if (norm < 1e-2) continue;
      const double step = 2e-3;
      double change = 0;
      const std::vector<float> before(p.values.data(), p.values.data() + p.values.size());
      for (const double sign : {1.0, -1.0}) {
        for (size_t j = 0; j < g.size(); ++j)
          p.values.data()[j] = before[j] + static_cast<float>(sign * step * double{g[j]} / norm);
        p.refresh(ctx);
        change += sign * loss();
      }
      std::ranges::copy(before, p.values.data());
      p.refresh(ctx);
      EXPECT_NEAR(change / (2 * step), norm, 0.02 * norm + 0.02) << p.name;
      ++checked;
    }
    EXPECT_GE(checked, 10);
  }
}

TEST_F(Lora, LearnsOverAQuantizedBase) {
  Context ctx(*chosen_isa(), 2);
  for (const Base& b : {Base{"q4_0"}, Base{"q4_0", true}}) {
    SCOPED_TRACE(b.deepseek);
    const auto model = load_model(base(b), options(b, Compute::kFast), ctx);
    Learner::Options fast;
    fast.adamw.lr = 1e-2;
    Learner learner(*model, ctx, fast);
    const TrainSequence sequence{kIds};
    std::vector<double> losses;
    for (int step = 0; step < 30; ++step) {
      double loss = 0;
      ASSERT_TRUE(learner.accumulate(
          {&sequence, 1}, [&](size_t, std::span<const float> logp, std::span<float> gradient) {
            for (const float x : logp) loss -= double{x};
            std::ranges::fill(gradient, -1.0f);
          }));
      ASSERT_TRUE(learner.step());
      losses.push_back(loss);
    }
    EXPECT_LT(losses.back(), (b.deepseek ? 0.5 : 0.2) * losses.front());
  }
}

TEST_F(Lora, MergedIsTheSameModelUpToRounding) {
  Context ctx(*chosen_isa(), 2);
  ThreadPool threads(2);
  const Base bases[] = {{"q4_0"}, {"q8_0", true}, {"q8_0", true, KvLayout::kOne}};
  for (const Base& b : bases) {
    SCOPED_TRACE(b.deepseek);
    const std::string path = base(b), out = folder_ + "/merged.gguf";
    const LoadOptions load = options(b, Compute::kF32);
    const auto model = load_model(path, load, ctx);
    disturb(*model, ctx);
    const auto file = WeightFile::open(path);
    ASSERT_TRUE(file);
    ExportOptions merged;
    merged.lora_scale = load.lora->scale();
    const auto written = export_model(*file, trained_tensors(*model), merged, out, threads);
    ASSERT_TRUE(written) << written.error().message;
    const LoadOptions plain{.compute = Compute::kF32, .mla = MlaForm::kPlain};
    const auto want = logits_of(*model, ctx, 5);
    const float most =
        std::abs(*std::ranges::max_element(want, {}, [](float x) { return std::abs(x); }));
    EXPECT_LE(max_difference(logits_of(*load_model(out, plain, ctx), ctx, 5), want), 2e-5f * most);
  }
}

TEST_F(Lora, AnAdapterComesBackAsTheSameBits) {
  Context ctx(*chosen_isa(), 1);
  const struct {
    Base base;
    const char* layer;  // of Hugging Face's
  } settings[] = {{{"q8_0"}, "0.self_attn.q_proj"},
                  {{"q8_0", true}, "1.self_attn.kv_b_proj"},
                  {{"q8_0", true, KvLayout::kOne}, "1.mlp.experts.7.down_proj"}};
  for (const auto& [b, layer] : settings) {
    SCOPED_TRACE(layer);
    const std::string path = base(b), out = folder_ + "/adapter";
    const LoadOptions load = options(b, Compute::kFast);
    const auto model = load_model(path, load, ctx);
    disturb(*model, ctx);
    const auto file = WeightFile::open(path);
    ASSERT_TRUE(file);
    const auto written = write_adapter(*file, trained_tensors(*model), *load.lora, out);
    ASSERT_TRUE(written) << written.error().message;
    const auto weights = WeightFile::open(out + "/adapter_model.safetensors");
    ASSERT_TRUE(weights);
    EXPECT_TRUE(
        weights->find(fmt::format("base_model.model.model.layers.{}.lora_A.weight", layer)));
    auto read = read_adapter(out, *file);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->rank, 4);
    EXPECT_EQ(read->alpha, 8);
    LoadOptions again{.compute = Compute::kFast, .mla = MlaForm::kPlain};
    again.lora = *std::move(read);
    EXPECT_EQ(logits_of(*load_model(path, again, ctx), ctx, 3), logits_of(*model, ctx, 3));
  }
}

// Experts are a stack in one and tensors of their own in the other, W^UK is apart and transposed.
TEST_F(Lora, AnAdapterOfAFolderServesItsGguf) {
  R1_TEST_DATA(hf, "golden/deepseek_v3");
  Context ctx(*chosen_isa(), 2);
  const Base b{"f32", true};
  LoadOptions load = options(b, Compute::kF32);
  load.lora->match.push_back("gate");
  const auto model = load_model(hf, load, ctx);
  disturb(*model, ctx);
  const auto file = WeightFile::open(hf);
  ASSERT_TRUE(file);
  const std::string out = folder_ + "/adapter", gguf = folder_ + "/same.gguf";
  const auto written = write_adapter(*file, trained_tensors(*model), *load.lora, out);
  ASSERT_TRUE(written) << written.error().message;
  ThreadPool threads(1);
  ASSERT_TRUE(quantize(*file, gguf, **find_mix("f32"), threads, [](uint64_t, uint64_t) {}));
  const auto other = WeightFile::open(gguf);
  ASSERT_TRUE(other);
  auto read = read_adapter(out, *other);
  ASSERT_TRUE(read) << read.error().message;
  LoadOptions again{.compute = Compute::kF32, .mla = MlaForm::kPlain};
  again.lora = *std::move(read);
  EXPECT_LE(
      max_difference(logits_of(*load_model(gguf, again, ctx), ctx, 5), logits_of(*model, ctx, 5)),
      1e-4f);
}

TEST_F(Lora, RefusesWhatItCannotUpdate) {
  Context ctx(*chosen_isa(), 1);
  LoadOptions load = options({"f32"}, Compute::kFast);
  load.lora->match = {"q_porj"};
  const auto file = WeightFile::open(R1_SOURCE "/models/stories260K/stories260K.f32.gguf");
  ASSERT_TRUE(file);
  const auto model = Model::load(*file, load, ctx);
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("lora.match: no weight of the model fits q_porj"),
            std::string::npos)
      << model.error().message;
}

}  // namespace
}  // namespace r1
