// Sizes from both containers: R1's two GGUF layouts, and what is refused.
#include "format/gguf_writer.h"
#include "format/model_shape.h"
#include "format/test_bytes.h"

namespace r1 {
namespace {

// R1's keys as its first GGUF files have them: attention said uncompressed, no groups.
GgufMetadata old_r1() {
  const auto whole = [](const char* key, uint32_t n) {
    return std::pair<std::string, GgufValue>("deepseek2." + std::string(key), n);
  };
  return {{"general.architecture", std::string("deepseek2")},
          whole("block_count", 61),
          whole("embedding_length", 7168),
          whole("feed_forward_length", 18432),
          whole("attention.head_count", 128),
          whole("attention.head_count_kv", 128),
          whole("attention.q_lora_rank", 1536),
          whole("attention.kv_lora_rank", 512),
          whole("attention.key_length", 192),
          whole("attention.value_length", 128),
          whole("rope.dimension_count", 64),
          whole("leading_dense_block_count", 3),
          whole("expert_count", 256),
          whole("expert_used_count", 8),
          whole("expert_shared_count", 1),
          whole("expert_feed_forward_length", 2048),
          whole("expert_gating_func", 2),
          whole("vocab_size", 129280)};
}

Result<ModelShape> shape_of(const GgufMetadata& metadata) {
  const TemporaryFolder folder;
  auto writer =
      GgufWriter::create(folder.path("x.gguf"), metadata, {{"output.weight", DType::kF32, {1, 1}}});
  const float zero = 0;
  EXPECT_TRUE(writer->write(std::as_bytes(std::span(&zero, 1))));
  EXPECT_TRUE(writer->finish());
  const auto file = WeightFile::open(folder.path("x.gguf"));
  EXPECT_EQ(message(file), "");
  return read_shape(*file);
}

void expect_r1(const ModelShape& s) {
  const ModelShape& r1 = **find_shape("deepseek-r1");
  EXPECT_EQ(s.head_dim, r1.head_dim);
  EXPECT_EQ(s.deepseek->qk_nope_head_dim, 128);
  EXPECT_EQ(s.deepseek->v_head_dim, 128);
  EXPECT_EQ(s.deepseek->n_expert_groups, 8);
  EXPECT_EQ(s.deepseek->n_limited_groups, 4);
  EXPECT_TRUE(s.deepseek->sigmoid);
}

TEST(ReadShape, OldAndNewLayoutsOfR1) {
  const auto old = shape_of(old_r1());
  ASSERT_EQ(message(old), "");
  expect_r1(*old);
  GgufMetadata today = shape_metadata(**find_shape("deepseek-r1"));
  today.insert(today.begin(), {"general.architecture", std::string("deepseek2")});
  const auto split = shape_of(today);
  ASSERT_EQ(message(split), "");
  expect_r1(*split);
}

TEST(ReadShape, RefusesByKeyValueAndRange) {
  const auto with = [](const char* key, uint32_t n) {
    GgufMetadata m = old_r1();
    for (auto& [k, v] : m) {
      if (k == "deepseek2." + std::string(key)) v = n;
    }
    return message(shape_of(m));
  };
  EXPECT_SAYS(with("expert_used_count", 300),
              "deepseek2.expert_used_count: 300, allowed are 1 to 256");
  EXPECT_SAYS(with("leading_dense_block_count", 62), "62, the model has 61 layers");
  EXPECT_SAYS(with("attention.key_length", 64), "attention.key_length: 64, allowed are 65 to");
  EXPECT_SAYS(with("expert_gating_func", 3), "expert_gating_func: 3, allowed are 1 to 2");
}

}  // namespace
}  // namespace r1
