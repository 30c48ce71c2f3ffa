// What was trained, exported and loaded again: the same logits, bit for bit, from a Hugging Face
// folder and from GGUF.
#include "train/export.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "format/gguf_tokenizer.h"
#include "infer/vocab_spec.h"
#include "tests/golden/golden.h"
#include "tests/golden/random_model.h"

namespace r1 {
namespace {

const std::vector<int32_t> kIds = {1, 17, 5, 99, 3, 42, 8, 120, 64, 2};

std::vector<float> logits_of(const Model& model, Context& ctx,
                             const std::vector<int32_t>& ids = kIds) {
  KvPages kv = must(KvPages::create(model.kv_shape(DType::kF32), 1));
  const int32_t page = 0;
  Batch batch;
  batch.tokens = ids;
  batch.parts = {{0, static_cast<int32_t>(ids.size()), 0, {&page, 1}}};
  batch.wanted.resize(ids.size());
  std::iota(batch.wanted.begin(), batch.wanted.end(), 0);
  const Tensor y = model.forward(ctx, batch, kv);
  return {y.data(), y.data() + y.size()};
}

// A model that has learned something: every value is another than the file's.
std::unique_ptr<Model> trained_model(const WeightFile& file, Context& ctx) {
  auto model =
      must(Model::load(file, LoadOptions{.compute = Compute::kF32, .learn = DType::kF32}, ctx));
  for (const ModelParameter& p : model->parameters()) {
    for (int64_t i = 0; i < p.values.size(); ++i)
      p.values.data()[i] += 0.01f * static_cast<float>(i % 7 - 3);
    p.refresh(ctx);
  }
  return model;
}

class Export : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/r1-export-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_P(Export, IsLoadedAsTheSameModel) {
  R1_TEST_DATA(source, "golden/" + GetParam());
  const auto file = WeightFile::open(source);
  ASSERT_TRUE(file);
  Context ctx(*chosen_isa(), 1);
  ThreadPool threads(1);
  const auto model = trained_model(*file, ctx);
  const auto wanted = logits_of(*model, ctx);
  const std::string out = folder_ + "/model";
  for (int times = 0; times < 2; ++times) {  // a second time over the first
    const auto exported = export_model(*file, trained_tensors(*model), {}, out, threads);
    ASSERT_TRUE(exported) << exported.error().message;
  }
  EXPECT_FALSE(std::filesystem::exists(out + ".writing"));
  EXPECT_EQ(logits_of(*load_model(out, Compute::kF32, ctx), ctx), wanted);

  // BF16: every value rounded once.
  ASSERT_TRUE(export_model(*file, trained_tensors(*model), {.type = "bf16"}, out, threads));
  const auto rounded = WeightFile::open(out);
  ASSERT_TRUE(rounded);
  for (const ModelParameter& p : model->parameters()) {
    const TensorInfo* t = rounded->find(p.name);
    ASSERT_TRUE(t) << p.name;
    EXPECT_EQ(t->dtype, p.by_gradient ? DType::kBF16 : DType::kF32) << p.name;
    std::vector<std::byte> once(static_cast<size_t>(p.values.size()) * 4);
    info(t->dtype).encode(p.values.data(), once.data(), static_cast<size_t>(p.values.size()),
                          nullptr);
    EXPECT_EQ(std::memcmp(t->bytes.data(), once.data(), t->bytes.size()), 0) << p.name;
  }

  // GGUF: llama's rows in another order, so sums in another order.
  const std::string gguf = folder_ + "/model.gguf";
  const auto as_gguf = export_model(*file, trained_tensors(*model), {}, gguf, threads);
  ASSERT_TRUE(as_gguf) << as_gguf.error().message;
  EXPECT_LE(max_difference(logits_of(*load_model(gguf, Compute::kF32, ctx), ctx), wanted), 2e-4f);

  // And back, where config.json is known to say what GGUF does.
  const auto there = WeightFile::open(gguf);
  ASSERT_TRUE(there);
  const auto back = export_model(*there, {}, {}, folder_ + "/back", threads);
  const bool qwen = GetParam().starts_with("qwen");
  ASSERT_EQ(static_cast<bool>(back), qwen) << (back ? "" : back.error().message);
  if (!qwen) return;
  EXPECT_EQ(logits_of(*load_model(folder_ + "/back", Compute::kF32, ctx), ctx), wanted);
}

INSTANTIATE_TEST_SUITE_P(Golden, Export,
                         testing::Values("llama3", "qwen2", "qwen3", "deepseek_v3",
                                         "deepseek_v3_fp8", "deepseek_v2_lite"),
                         [](const auto& instance) { return instance.param; });

TEST_F(Export, FromGgufToGguf) {
  const auto file = WeightFile::open(R1_SOURCE "/models/stories260K/stories260K.f32.gguf");
  ASSERT_TRUE(file);
  Context ctx(*chosen_isa(), 1);
  ThreadPool threads(1);
  const auto model = trained_model(*file, ctx);
  const std::string out = folder_ + "/model.gguf";
  ASSERT_TRUE(export_model(*file, trained_tensors(*model), {}, out, threads));
  EXPECT_EQ(logits_of(*load_model(out, Compute::kF32, ctx), ctx), logits_of(*model, ctx));
  const auto written = WeightFile::open(out);
  ASSERT_TRUE(written);
  for (const auto& [key, value] : file->metadata())  // its tokenizer too
    EXPECT_TRUE(key == "general.alignment" || written->meta(key)) << key;
  EXPECT_EQ(
      export_model(*file, trained_tensors(*model), {}, folder_ + "/model", threads).error().message,
      "tokenizer.ggml.model: 'llama' has no tokenizer.json here: byte-level BPE (gpt2) has");
}

// Rows of llama's queries and keys go back to where Hugging Face has them.
TEST_F(Export, FromLlamasGgufToAFolder) {
  const auto file = WeightFile::open(write_random_llama(folder_, DType::kQ8_0, 2));
  ASSERT_TRUE(file);
  Context ctx(*chosen_isa(), 1);
  ThreadPool threads(2);
  const std::string out = folder_ + "/folder";
  const auto written = export_model(*file, {}, {}, out, threads);
  ASSERT_TRUE(written) << written.error().message;
  const std::vector<int32_t> ids = {1, 17, 5, 39, 3, 22};
  EXPECT_LE(max_difference(logits_of(*load_model(out, Compute::kF32, ctx), ctx, ids),
                           logits_of(*load_model(file->path(), Compute::kF32, ctx), ctx, ids)),
            1e-4f);
}

TEST_F(Export, TokenizersOfGgufComeBack) {
  R1_TEST_DATA(smollm2, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  R1_TEST_DATA(gpt2, "gguf-vocab/ggml-vocab-gpt-2.gguf");
  for (const std::string& path : {smollm2, gpt2}) {
    SCOPED_TRACE(path);
    const auto file = WeightFile::open(path);
    ASSERT_TRUE(file);
    const auto files = tokenizer_files(*file);
    ASSERT_TRUE(files) << files.error().message;
    ASSERT_EQ(files->size(), 2u);
    const auto back = Tokenizer::from_json((*files)[0].text, (*files)[1].text);
    ASSERT_TRUE(back) << back.error().message;
    const auto own = load_tokenizer(*file);
    ASSERT_TRUE(own);
    for (const char* text : {"Hello, World's 12345 things!\n\n  indented\ttab", "ॳ🚜ﾡ‗っ⁄ų 뚱 h⊧",
                             "<|im_start|>user\nWhy?<|im_end|>\n<|endoftext|>", "", "   "}) {
      EXPECT_EQ(back->encode(text, true), own->encode(text, true)) << text;
      EXPECT_EQ(back->encode(text, false), own->encode(text, false)) << text;
    }
    EXPECT_EQ(back->add_bos(), own->add_bos());
    EXPECT_TRUE(std::ranges::equal(back->end_ids(), own->end_ids()));
  }
}

TEST_F(Export, LowRankUpdatesAreMerged) {
  const auto file = WeightFile::open(R1_SOURCE "/models/stories260K/stories260K.f32.gguf");
  ASSERT_TRUE(file);
  ThreadPool threads(2);
  const std::string name = "blk.1.ffn_down.weight";
  const TensorInfo* base = file->find(name);
  ASSERT_TRUE(base);
  const auto rows = static_cast<size_t>(base->shape[0]), cols = static_cast<size_t>(base->shape[1]);
  std::vector<float> a(2 * cols), b(rows * 2);
  std::iota(a.begin(), a.end(), 0.0f);
  std::iota(b.begin(), b.end(), 1.0f);
  const auto tensor = [](std::string of, std::vector<int64_t> shape, std::span<const float> v) {
    return TensorInfo{std::move(of), DType::kF32, std::move(shape), std::as_bytes(v)};
  };
  const std::vector<TensorInfo> trained = {tensor(name + ".lora_a", {2, base->shape[1]}, a),
                                           tensor(name + ".lora_b", {base->shape[0], 2}, b)};
  const std::string out = folder_ + "/model.gguf";
  ASSERT_TRUE(export_model(*file, trained, {.lora_scale = 0.5}, out, threads));
  const auto written = WeightFile::open(out);
  ASSERT_TRUE(written);
  const auto was = golden_tensor<float>(*file, name), is = golden_tensor<float>(*written, name);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < cols; ++j) {
      const float update = b[2 * i] * a[j] + b[2 * i + 1] * a[cols + j];
      ASSERT_NEAR(is[i * cols + j], was[i * cols + j] + 0.5f * update, 1e-6f * update);
    }
  }
}

}  // namespace
}  // namespace r1
