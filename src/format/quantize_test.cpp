// The mixes to the byte of published files, and rewriting real files into every type.
#include "format/quantize.h"

#include <cmath>

#include "format/checkpoint.h"
#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

struct Shape {
  const char* name;
  std::vector<int64_t> shape;
};

// All tensors of a model whose layers are alike.
uint64_t model_bytes(const char* mix_name, int64_t n_layers, const std::vector<Shape>& whole,
                     const std::vector<Shape>& layer) {
  const Mix& mix = **find_mix(mix_name);
  uint64_t bytes = 0;
  const auto add = [&](const std::string& name, const std::vector<int64_t>& shape) {
    const TypeChoice choice = choose_type(mix, {n_layers, false, 4}, name, shape);
    const int64_t rows = shape.size() == 2 ? shape[0] : 1;
    bytes += *stored_bytes(choice.type, static_cast<uint64_t>(rows),
                           static_cast<uint64_t>(shape.back()));
  };
  for (const Shape& t : whole) add(t.name, t.shape);
  for (int64_t i = 0; i < n_layers; ++i) {
    for (const Shape& t : layer) add(fmt::format("blk.{}.{}", i, t.name), t.shape);
  }
  return bytes;
}

TEST(Mix, PublishedFilesToTheByte) {
  const auto layer = [](int64_t dim, int64_t kv, int64_t ffn) -> std::vector<Shape> {
    return {{"attn_norm.weight", {dim}},     {"ffn_norm.weight", {dim}},
            {"attn_q.weight", {dim, dim}},   {"attn_k.weight", {kv, dim}},
            {"attn_v.weight", {kv, dim}},    {"attn_output.weight", {dim, dim}},
            {"ffn_gate.weight", {ffn, dim}}, {"ffn_up.weight", {ffn, dim}},
            {"ffn_down.weight", {dim, ffn}}};
  };
  EXPECT_EQ(model_bytes("q4_k_m", 32,
                        {{"token_embd.weight", {128256, 4096}},
                         {"output.weight", {128256, 4096}},
                         {"output_norm.weight", {4096}},
                         {"rope_freqs.weight", {64}}},
                        layer(4096, 1024, 14336)),
            4912898304u);  // DeepSeek-R1-Distill-Llama-8B
  auto qwen = layer(3584, 512, 18944);
  qwen.insert(qwen.end(),
              {{"attn_q.bias", {3584}}, {"attn_k.bias", {512}}, {"attn_v.bias", {512}}});
  EXPECT_EQ(model_bytes("Q4_K_M", 28,
                        {{"token_embd.weight", {152064, 3584}},
                         {"output.weight", {152064, 3584}},
                         {"output_norm.weight", {3584}}},
                        qwen),
            4677120000u);  // DeepSeek-R1-Distill-Qwen-7B
}

TEST(Mix, ChoosesByNameLayerAndWidth) {
  const Mix& mix = **find_mix("q4_k_m");
  const auto type = [&](std::string_view name, std::vector<int64_t> shape, bool tied = false) {
    return choose_type(mix, {80, tied, 8}, name, shape).type;
  };
  EXPECT_EQ(type("token_embd.weight", {10, 256}), DType::kQ4_K);
  EXPECT_EQ(type("token_embd.weight", {10, 256}, true), DType::kQ6_K);
  EXPECT_EQ(type("output.weight", {10, 576}), DType::kQ8_0);
  EXPECT_EQ(type("blk.40.attn_v.weight", {10, 256}), DType::kQ5_K);  // 80 layers
  EXPECT_EQ(type("blk.0.attn_v.weight", {10, 256}), DType::kQ6_K);
  EXPECT_EQ(type("blk.0.ffn_down_exps.weight", {4, 10, 256}), DType::kQ6_K);
  EXPECT_EQ(type("blk.40.ffn_up.weight", {10, 576}), DType::kQ5_0);
  EXPECT_EQ(type("blk.40.ffn_up.weight", {10, 172}), DType::kF16);
  EXPECT_EQ(type("blk.40.ffn_gate_inp.weight", {10, 256}), DType::kF32);
  EXPECT_EQ(type("blk.40.attn_q.bias", {256}), DType::kF32);
  EXPECT_EQ(type("blk.40.attn_k_norm.weight", {4, 256}), DType::kF32);
  EXPECT_SAYS(message(find_mix("q4")), "no type 'q4': the types are f32, f16, bf16, q8_0");
}

TEST(Mix, LowBitMixesFollowTheirOwnRules) {
  const auto type = [](const char* mix, const char* name, std::vector<int64_t> shape, int64_t gqa) {
    return choose_type(**find_mix(mix), {32, false, gqa}, name, shape).type;
  };
  EXPECT_EQ(type("q2_k", "blk.0.ffn_down_exps.weight", {4, 10, 256}, 1), DType::kQ3_K);
  EXPECT_EQ(type("q2_k", "blk.9.ffn_up_exps.weight", {4, 10, 256}, 1), DType::kQ2_K);
  EXPECT_EQ(type("q2_k", "blk.9.attn_output.weight", {10, 256}, 1), DType::kQ3_K);
  EXPECT_EQ(type("q2_k", "blk.9.attn_v.weight", {10, 256}, 4), DType::kQ4_K);
  EXPECT_EQ(type("q2_k", "blk.9.attn_kv_b.weight", {10, 256}, 1), DType::kQ3_K);
  EXPECT_EQ(type("q2_k", "blk.9.attn_k_b.weight", {4, 512, 128}, 1), DType::kQ4_0);
  EXPECT_EQ(type("q3_k_m", "blk.1.attn_v.weight", {10, 256}, 4), DType::kQ5_K);
  EXPECT_EQ(type("q3_k_m", "blk.2.ffn_down.weight", {10, 256}, 4), DType::kQ4_K);
  EXPECT_EQ(type("q3_k_m", "blk.2.ffn_gate.weight", {10, 256}, 4), DType::kQ3_K);
  EXPECT_SAYS(message(find_mix("iq4_xs")), "no type 'iq4_xs'");
}

std::string quantized(const WeightFile& in, const std::string& out, const char* mix,
                      int n_threads) {
  ThreadPool threads(n_threads);
  const auto summary = quantize(in, out, **find_mix(mix), threads, [](uint64_t, uint64_t) {});
  return message(summary);
}

std::vector<float> values_of(const TensorInfo& t) {
  int64_t n = 1;
  for (const int64_t dim : t.shape) n *= dim;
  std::vector<float> values(static_cast<size_t>(n));
  info(t.dtype).decode(t.bytes.data(), values.data(), values.size());
  return values;
}

// Relative squared error: about (2^bits)^-2, the mantissa's bits of plain floats.
double allowed_noise(DType type) {
  switch (type) {
    case DType::kF32:
      return 0;
    case DType::kF16:
      return std::pow(4.0, -11);
    case DType::kBF16:
      return std::pow(4.0, -8);
    default:
      return 2 * std::pow(4.0, 1 - info(type).block_bytes * 8 / info(type).block);
  }
}

TEST(Quantize, EveryMixOfARealModel) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  const TemporaryFolder folder;
  const auto in = WeightFile::open(path);
  ASSERT_TRUE(in) << message(in);
  for (const Mix& mix : all_mixes()) {
    SCOPED_TRACE(mix.name);
    const std::string one = folder.path("1.gguf"), two = folder.path("2.gguf");
    ASSERT_EQ(quantized(*in, one, mix.name.data(), 1), "");
    ASSERT_EQ(quantized(*in, two, mix.name.data(), 2), "");
    EXPECT_EQ(read_test_file(one), read_test_file(two))
        << "the number of threads changes the bytes";
    const auto out = WeightFile::open(one);
    ASSERT_TRUE(out) << message(out);
    EXPECT_EQ(**out->integer("general.file_type"), mix.file_type);
    EXPECT_EQ(**out->text("general.architecture"), "llama");
    EXPECT_EQ(std::get<std::shared_ptr<const MetaArray>>(*out->meta("tokenizer.ggml.tokens"))
                  ->items.index(),
              std::get<std::shared_ptr<const MetaArray>>(*in->meta("tokenizer.ggml.tokens"))
                  ->items.index());
    ASSERT_EQ(out->tensors().size(), in->tensors().size());
    double error = 0, power = 0;
    for (size_t i = 0; i < in->tensors().size(); ++i) {
      const auto before = values_of(in->tensors()[i]), after = values_of(out->tensors()[i]);
      for (size_t j = 0; j < before.size(); ++j) {
        error += std::pow(before[j] - after[j], 2);
        power += std::pow(before[j], 2);
      }
    }
    EXPECT_LE(error / power, allowed_noise(mix.base));
  }
}

// FP8 with ragged block scales: the values the blocks stand for, then quantized.
TEST(Quantize, Fp8ExpertsAndLatentAttention) {
  R1_TEST_DATA(path, "golden/deepseek_v3_fp8");
  const TemporaryFolder folder;
  const auto in = WeightFile::open(path);
  ASSERT_TRUE(in) << message(in);
  ASSERT_EQ(quantized(*in, folder.path("exact.gguf"), "f32", 2), "");
  const auto exact = WeightFile::open(folder.path("exact.gguf"));
  for (const char* mix : {"q8_0", "q4_k_m", "q2_k"}) {
    SCOPED_TRACE(mix);
    ASSERT_EQ(quantized(*in, folder.path("out.gguf"), mix, 2), "");
    const auto out = WeightFile::open(folder.path("out.gguf"));
    ASSERT_TRUE(out) << message(out);
    ASSERT_EQ(out->tensors().size(), exact->tensors().size());
    for (const TensorInfo& t : out->tensors()) {
      const auto before = values_of(*exact->find(t.name)), after = values_of(t);
      double error = 0, power = 0;
      for (size_t i = 0; i < before.size(); ++i) {
        error += std::pow(before[i] - after[i], 2);
        power += std::pow(before[i], 2);
      }
      EXPECT_LE(error / power, allowed_noise(t.dtype)) << t.name;
    }
  }
}

TEST(Quantize, RefusesDamageByNameAndPlace) {
  const TemporaryFolder folder;
  const auto refused = [&](float value, const char* mix) {
    std::vector<float> values(4 * 64, 0.5f);
    values[2 * 64 + 7] = value;
    auto writer = GgufWriter::create(folder.path("in.gguf"), {{"general.architecture", "llama"}},
                                     {{"w.weight", DType::kF32, {4, 64}}});
    EXPECT_TRUE(writer->write(std::as_bytes(std::span(values))));
    EXPECT_TRUE(writer->finish());
    const auto in = WeightFile::open(folder.path("in.gguf"));
    return quantized(*in, folder.path("out.gguf"), mix, 2);
  };
  EXPECT_SAYS(refused(NAN, "q8_0"), "w.weight: element 135 (row 2, column 7) is nan");
  EXPECT_SAYS(refused(-INFINITY, "f32"), "w.weight: element 135 (row 2, column 7) is -inf");
  EXPECT_SAYS(refused(1e6f, "q4_0"), "is 1000000, Q4_0 holds at most 65504");
  EXPECT_FALSE(file_exists(folder.path("out.gguf")));
  EXPECT_EQ(refused(1e6f, "bf16"), "");
}

}  // namespace
}  // namespace r1
