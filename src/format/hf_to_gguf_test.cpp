// Hugging Face folders as GGUF: names, row order, rope divisors, tokenizers of every family.
#include "format/hf_to_gguf.h"

#include <cmath>

#include "format/gguf_tokenizer.h"
#include "format/model_shape.h"
#include "format/parameters.h"
#include "format/quantize.h"
#include "format/safetensors_writer.h"
#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

const SourceTensor* find(const Checkpoint& c, std::string_view name) {
  for (const SourceTensor& t : c.tensors) {
    if (t.name == name) return &t;
  }
  return nullptr;
}

const GgufValue* find_key(const GgufMetadata& metadata, std::string_view key) {
  for (const auto& [k, v] : metadata) {
    if (k == key) return &v;
  }
  return nullptr;
}

std::vector<float> rows(const SourceTensor& t) {
  std::vector<float> values(static_cast<size_t>(t.rows() * t.cols()));
  t.read_rows(0, t.rows(), values.data());
  return values;
}

TEST(HfToGguf, LlamaPairsTheRowsOfQueriesAndKeys) {
  R1_TEST_DATA(path, "golden/llama3");
  const auto file = WeightFile::open(path);
  ASSERT_TRUE(file) << message(file);
  const auto c = hf_to_gguf(*file);
  ASSERT_TRUE(c) << message(c);
  EXPECT_EQ(c->tensors.size(), file->tensors().size() + 1);  // rope_freqs
  const TensorInfo* k = file->find("model.layers.1.self_attn.k_proj.weight");
  std::vector<float> before(2 * 16 * 96);
  info(k->dtype).decode(k->bytes.data(), before.data(), before.size());
  const auto after = rows(*find(*c, "blk.1.attn_k.weight"));
  for (size_t head = 0; head < 2; ++head) {
    for (size_t i = 0; i < 8; ++i) {
      for (size_t half = 0; half < 2; ++half) {
        const size_t from = (head * 16 + half * 8 + i) * 96, to = (head * 16 + 2 * i + half) * 96;
        EXPECT_TRUE(std::equal(&before[from], &before[from] + 96, &after[to]));
      }
    }
  }
  EXPECT_TRUE(find(*c, "blk.1.attn_v.weight")->verbatim());
}

TEST(HfToGguf, QwenKeepsRowsBiasesAndTies) {
  for (const char* name : {"golden/qwen2", "golden/qwen3"}) {
    R1_TEST_DATA(path, name);
    const auto file = WeightFile::open(path);
    ASSERT_TRUE(file) << message(file);
    const auto c = hf_to_gguf(*file);
    ASSERT_TRUE(c) << message(c);
    EXPECT_EQ(c->tensors.size(), file->tensors().size());
    for (const SourceTensor& t : c->tensors) EXPECT_TRUE(t.verbatim()) << t.name;
    const bool qwen3 = std::string_view(name).ends_with('3');
    EXPECT_EQ(find(*c, "output.weight") == nullptr, qwen3);
    EXPECT_EQ(find(*c, "blk.0.attn_q.bias") == nullptr, qwen3);
    EXPECT_EQ(find(*c, "blk.0.attn_q_norm.weight") == nullptr, !qwen3);
    EXPECT_EQ(std::get<float>(
                  *find_key(c->metadata, qwen3 ? "qwen3.rope.freq_base" : "qwen2.rope.freq_base")),
              qwen3 ? 1e6f : 1e4f);
  }
}

// A llama of one layer whose heads have Llama 3.1's width; with `fp8` its values are FP8 ones
// times 2.
void write_llama(const TemporaryFolder& folder, const char* config_more, bool fp8 = false) {
  folder.write("config.json",
               fmt::format(R"({{"model_type": "llama", "num_hidden_layers": 1, "hidden_size": 4,
    "num_attention_heads": 1, "head_dim": 128, "intermediate_size": 4, "vocab_size": 2, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 131072, "rope_theta": 500000.0, "tie_word_embeddings": true {}}})",
                           config_more));
  static const std::vector<float> zeros(128 * 4), two = {2};
  static const std::vector<std::byte> ones(128, std::byte{0x38});
  std::vector<TensorInfo> tensors;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    const auto n = static_cast<size_t>(shape.size() == 2 ? shape[0] * shape[1] : shape[0]);
    tensors.push_back(
        {name, DType::kF32, std::move(shape), std::as_bytes(std::span(zeros)).first(n * 4)});
  };
  add("model.embed_tokens.weight", {2, 4});
  add("model.norm.weight", {4});
  for (const char* name : {"input_layernorm", "post_attention_layernorm"}) {
    add(fmt::format("model.layers.0.{}.weight", name), {4});
  }
  for (const char* name : {"q", "k", "v"}) {
    add(fmt::format("model.layers.0.self_attn.{}_proj.weight", name), {128, 4});
  }
  add("model.layers.0.self_attn.o_proj.weight", {4, 128});
  for (const char* name : {"gate", "up"})
    add(fmt::format("model.layers.0.mlp.{}_proj.weight", name), {4, 4});
  const std::string down = "model.layers.0.mlp.down_proj.weight";
  if (fp8) {
    tensors.push_back({down, DType::kF8E4M3, {4, 4}, std::span(ones).first(16)});
    tensors.push_back({down + "_scale_inv", DType::kF32, {1, 1}, std::as_bytes(std::span(two))});
  } else {
    add(down, {4, 4});
  }
  ASSERT_TRUE(write_safetensors(folder.path("model.safetensors"), tensors));
}

TEST(HfToGguf, Fp8TakesItsScales) {
  const TemporaryFolder folder;
  write_llama(folder, "", true);
  const auto file = WeightFile::open(folder.path(""));
  ASSERT_TRUE(file) << message(file);
  const auto c = hf_to_gguf(*file);
  ASSERT_TRUE(c) << message(c);
  EXPECT_EQ(rows(*find(*c, "blk.0.ffn_down.weight")), std::vector<float>(16, 2));
}

TEST(HfToGguf, RopeDivisorsOfLlama31) {
  const TemporaryFolder folder;
  write_llama(folder,
              R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 8192})");
  const auto file = WeightFile::open(folder.path(""));
  ASSERT_TRUE(file) << message(file);
  const auto c = hf_to_gguf(*file);
  ASSERT_TRUE(c) << message(c);
  const auto divisors = rows(*find(*c, "rope_freqs.weight"));
  ASSERT_EQ(divisors.size(), 64u);
  constexpr float kRamp[] = {1.2075f, 1.5534f, 2.0263f, 2.6945f, 3.6843f, 5.2573f};
  for (size_t i = 0; i < 64; ++i)
    EXPECT_NEAR(divisors[i], i < 29 ? 1 : i < 35 ? kRamp[i - 29] : 8, 5e-5) << i;
}

TEST(HfToGguf, SaysWhatItCannotConvert) {
  const TemporaryFolder folder;
  const auto refused = [&](const char* more) {
    write_llama(folder, more);
    const auto file = WeightFile::open(folder.path(""));
    return file ? message(hf_to_gguf(*file)) : message(file);
  };
  EXPECT_EQ(refused(""), "");
  EXPECT_SAYS(refused(R"(, "rope_scaling": {"rope_type": "longrope", "factor": 2})"),
              "type 'longrope' cannot be converted");
  EXPECT_SAYS(refused(R"(, "rope_scaling": {"rope_type": "llama3", "factor": 2})"),
              "no rope_scaling.low_freq_factor");
  EXPECT_SAYS(refused(R"(, "hidden_act": "gelu")"), "hidden_act 'gelu'");
}

std::vector<float> values(const TensorInfo& t, int64_t cols, int64_t begin, int64_t end) {
  std::vector<float> values(static_cast<size_t>((end - begin) * cols));
  const int64_t row_bytes = cols * info(t.dtype).block_bytes;
  info(t.dtype).decode(t.bytes.data() + begin * row_bytes, values.data(), values.size());
  return values;
}

TEST(HfToGguf, DeepSeekSplitsKeysFromValuesAndStacksExperts) {
  R1_TEST_DATA(path, "golden/deepseek_v3");
  const auto file = WeightFile::open(path);
  ASSERT_TRUE(file) << message(file);
  const auto c = hf_to_gguf(*file);
  ASSERT_TRUE(c) << message(c);
  const ModelShape shape = *read_shape(*file);
  EXPECT_EQ(c->tensors.size(), shape_tensors(shape).size());

  constexpr int64_t kHeads = 4, kNope = 32, kValue = 32, kRank = 64;
  const TensorInfo* kv_b = file->find("model.layers.2.self_attn.kv_b_proj.weight");
  const auto k = rows(*find(*c, "blk.2.attn_k_b.weight"));  // [heads, rank, nope]
  const auto v = rows(*find(*c, "blk.2.attn_v_b.weight"));  // [heads, value, rank]
  for (int64_t h = 0; h < kHeads; ++h) {
    const int64_t first = h * (kNope + kValue);
    const auto keys = values(*kv_b, kRank, first, first + kNope);
    for (int64_t r = 0; r < kRank; ++r)
      for (int64_t j = 0; j < kNope; ++j)
        ASSERT_EQ(k[static_cast<size_t>((h * kRank + r) * kNope + j)],
                  keys[static_cast<size_t>(j * kRank + r)]);
    const auto head = values(*kv_b, kRank, first + kNope, first + kNope + kValue);
    EXPECT_TRUE(std::equal(head.begin(), head.end(), v.begin() + h * kValue * kRank));
  }
  // Any piece alone is what the whole has there.
  std::vector<float> piece(static_cast<size_t>(50 * kNope));
  find(*c, "blk.2.attn_k_b.weight")->read_rows(40, 90, piece.data());
  EXPECT_TRUE(std::equal(piece.begin(), piece.end(), k.begin() + 40 * kNope));

  const SourceTensor& down = *find(*c, "blk.1.ffn_down_exps.weight");
  EXPECT_EQ(down.shape, (std::vector<int64_t>{16, 160, 64}));
  const TensorInfo* expert = file->find("model.layers.1.mlp.experts.11.down_proj.weight");
  std::vector<float> eleventh(160 * 64);
  down.read_rows(11 * 160, 12 * 160, eleventh.data());
  EXPECT_EQ(eleventh, values(*expert, 64, 0, 160));

  EXPECT_EQ(std::get<uint32_t>(*find_key(c->metadata, "deepseek2.block_count")), 5u);
  EXPECT_EQ(std::get<uint32_t>(*find_key(c->metadata, "deepseek2.nextn_predict_layers")), 1u);
  EXPECT_EQ(std::get<uint32_t>(*find_key(c->metadata, "deepseek2.expert_group_count")), 4u);
  EXPECT_EQ(std::get<uint32_t>(*find_key(c->metadata, "deepseek2.expert_gating_func")), 2u);
  EXPECT_EQ(std::get<float>(*find_key(c->metadata, "deepseek2.rope.scaling.yarn_log_multiplier")),
            0.1f);
  EXPECT_EQ(find(*c, "blk.4.nextn.eh_proj.weight")->shape, (std::vector<int64_t>{160, 320}));
}

TEST(HfToGguf, EveryDeepSeekKindIsReadBackAlike) {
  for (const char* name : {"golden/deepseek_v3", "golden/deepseek_v3_fp8",
                           "golden/deepseek_v3_no_q_lora", "golden/deepseek_v2_lite"}) {
    SCOPED_TRACE(name);
    R1_TEST_DATA(path, name);
    const auto file = WeightFile::open(path);
    ASSERT_TRUE(file) << message(file);
    const TemporaryFolder folder;
    ThreadPool threads(1);
    const auto written = quantize(*file, folder.path("x.gguf"), **find_mix("f32"), threads,
                                  [](uint64_t, uint64_t) {});
    ASSERT_TRUE(written) << message(written);
    const auto gguf = WeightFile::open(folder.path("x.gguf"));
    ASSERT_TRUE(gguf) << message(gguf);
    const auto before = read_shape(*file), after = read_shape(*gguf);
    ASSERT_TRUE(before && after) << message(before) << message(after);
    EXPECT_EQ(after->n_layers, before->n_layers);
    EXPECT_EQ(after->head_dim, before->head_dim);
    const DeepSeekShape &a = *before->deepseek, &b = *after->deepseek;
    EXPECT_EQ(b.q_lora_rank, a.q_lora_rank);
    EXPECT_EQ(b.qk_nope_head_dim, a.qk_nope_head_dim);
    EXPECT_EQ(b.v_head_dim, a.v_head_dim);
    EXPECT_EQ(b.n_expert_groups, a.n_expert_groups);
    EXPECT_EQ(b.n_limited_groups, a.n_limited_groups);
    EXPECT_EQ(b.sigmoid, a.sigmoid);
    EXPECT_EQ(b.score_bias, a.score_bias);
    EXPECT_EQ(b.norm_weights, a.norm_weights);
    EXPECT_EQ(b.route_scale, a.route_scale);
    EXPECT_EQ(b.n_mtp_layers, a.n_mtp_layers);
    EXPECT_EQ(count_parameters(*gguf)->total, count_parameters(*file)->total);
    EXPECT_EQ(count_parameters(*gguf)->active, count_parameters(*file)->active);
  }
}

TEST(GgufTokenizer, EveryFamily) {
  constexpr struct {
    const char *folder, *pre;
    int64_t vocab_size;
    size_t merges;
    int bos, eos;
  } kCases[] = {{"deepseek-v3", "deepseek-v3", 129280, 127741, 0, 1},
                {"deepseek-r1-distill-qwen", "qwen2", 151936, 151387, 151646, 151643},
                {"llama-3", "llama-bpe", 128256, 280147, 128000, 128009},
                {"smollm2", "smollm", 49152, 48900, -1, -1}};
  for (const auto& want : kCases) {
    SCOPED_TRACE(want.folder);
    R1_TEST_DATA(path, std::string("tokenizers/") + want.folder);
    const TemporaryFolder folder;
    folder.write("config.json", "{}");
    folder.write("tokenizer.json", read_test_file(path + "/tokenizer.json.gz"));
    if (file_exists(path + "/tokenizer_config.json")) {
      folder.write("tokenizer_config.json", read_test_file(path + "/tokenizer_config.json"));
    }
    const auto file = WeightFile::open(folder.path(""));
    ASSERT_TRUE(file) << message(file);
    GgufMetadata m;
    const auto added = add_tokenizer(*file, want.vocab_size, m);
    ASSERT_TRUE(added) << message(added);
    EXPECT_EQ(std::get<std::string>(*find_key(m, "tokenizer.ggml.pre")), want.pre);
    const auto& tokens = std::get<std::vector<std::string>>(
        std::get<GgufArray>(*find_key(m, "tokenizer.ggml.tokens")).items);
    EXPECT_EQ(tokens.size(), static_cast<size_t>(want.vocab_size));
    EXPECT_EQ(std::get<std::vector<std::string>>(
                  std::get<GgufArray>(*find_key(m, "tokenizer.ggml.merges")).items)
                  .size(),
              want.merges);
    const auto id = [&](const char* key) {
      const GgufValue* value = find_key(m, key);
      return value ? static_cast<int>(std::get<uint32_t>(*value)) : -1;
    };
    EXPECT_EQ(id("tokenizer.ggml.bos_token_id"), want.bos);
    EXPECT_EQ(id("tokenizer.ggml.eos_token_id"), want.eos);
  }
}

TEST(GgufTokenizer, NoneWhereThereIsNone) {
  const TemporaryFolder folder;
  folder.write("config.json", "{}");
  const auto file = WeightFile::open(folder.path(""));
  GgufMetadata m;
  ASSERT_TRUE(add_tokenizer(*file, 16, m));
  EXPECT_EQ(std::get<std::string>(*find_key(m, "tokenizer.ggml.model")), "none");
}

TEST(GgufTokenizer, RefusesIdsBeyondTheModelAndUnknownFamilies) {
  const TemporaryFolder folder;
  folder.write("config.json", "{}");
  const auto refused = [&](const char* tokenizer) {
    folder.write("tokenizer.json", tokenizer);
    GgufMetadata m;
    return message(add_tokenizer(*WeightFile::open(folder.path("")), 4, m));
  };
  constexpr const char* kByteLevel = R"({"pre_tokenizer": {"type": "ByteLevel", "use_regex": true},
      "model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}})";
  EXPECT_SAYS(refused(kByteLevel), "token 'a' has the id 4000000000, the model has 4 of them");
  EXPECT_SAYS(
      refused(
          R"({"pre_tokenizer": {"type": "Whitespace"}, "model": {"type": "BPE", "vocab": {}, "merges": []}})"),
      "pre_tokenizer is of no family");
  EXPECT_SAYS(refused(R"({"model": {"type": "Unigram"}})"),
              "model of type 'Unigram' cannot be converted");
  EXPECT_SAYS(refused("{"), "tokenizer.json: not valid JSON");
}

}  // namespace
}  // namespace r1
