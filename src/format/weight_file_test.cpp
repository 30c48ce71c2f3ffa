#include "format/weight_file.h"

#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

constexpr uint32_t kU16 = 2, kI32 = 5, kString = 8;

// Shard `number` of `count`: one tensor of its own, and the model's metadata in the first.
Bytes shard(uint16_t number, uint16_t count, int32_t tensors, const std::string& name) {
  Bytes b;
  b.gguf(1, number == 0 ? 4 : 3);
  if (number == 0) b.key("general.architecture", kString).string("llama");
  b.key("split.no", kU16).put(number).key("split.count", kU16).put(count);
  b.key("split.tensors.count", kI32).put(tensors);
  return b.tensor(name, {8}, 0, 0).pad(32).zeros(32);
}

TEST(WeightFile, OpensAllShardsFromAny) {
  const TemporaryFolder folder;
  const std::string first = folder.write("m-00001-of-00002.gguf", shard(0, 2, 2, "a").text());
  const std::string second = folder.write("m-00002-of-00002.gguf", shard(1, 2, 2, "b").text());
  for (const auto& path : {first, second}) {
    const auto file = WeightFile::open(path);
    ASSERT_EQ(message(file), "");
    ASSERT_EQ(file->tensors().size(), 2u);
    EXPECT_EQ(file->tensors()[0].name, "a");
    EXPECT_EQ(**file->text("general.architecture"), "llama");
    EXPECT_EQ(file->file_bytes(), shard(0, 2, 2, "a").size() + shard(1, 2, 2, "b").size());
  }
}

TEST(WeightFile, RefusesShardsThatDoNotBelongTogether) {
  const TemporaryFolder folder;
  const std::string first = folder.write("m-00001-of-00002.gguf", shard(0, 2, 2, "a").text());
  EXPECT_SAYS(message(WeightFile::open(first)), "m-00002-of-00002.gguf: No such file");
  const auto with_second = [&](const Bytes& second) {
    folder.write("m-00002-of-00002.gguf", second.text());
    return message(WeightFile::open(first));
  };
  EXPECT_EQ(with_second(shard(1, 2, 2, "b")), "");
  EXPECT_SAYS(with_second(shard(0, 2, 2, "b")), "m-00002-of-00002.gguf: split.no: 0, expected 1");
  EXPECT_SAYS(with_second(shard(1, 3, 2, "b")), "split.count: 3, expected 2");
  EXPECT_SAYS(with_second(shard(1, 2, 3, "b")), "split.tensors.count: 3, expected 2");
  EXPECT_SAYS(with_second(shard(1, 2, 2, "a")), "tensor a appears twice");
  folder.write("m-00001-of-00002.gguf", shard(0, 2, 9, "a").text());
  EXPECT_SAYS(with_second(shard(1, 2, 9, "b")), "split.tensors.count: 9, but the 2 shards hold 2");
  EXPECT_SAYS(message(WeightFile::open(folder.write("other.gguf", shard(1, 2, 2, "b").text()))),
              "its name must end in -00002-of-00002.gguf");
  EXPECT_SAYS(
      message(WeightFile::open(folder.write("m-00006-of-00002.gguf", shard(5, 2, 2, "b").text()))),
      "split.no: 5 of split.count 2");
}

std::string safetensors_text(const char* name) {
  const auto header =
      fmt::format(R"({{"{}":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}}})", name);
  return std::string(Bytes::safetensors(header, 4).text());
}

TEST(WeightFile, OpensAFolder) {
  const TemporaryFolder folder;
  EXPECT_SAYS(message(WeightFile::open(folder.path())), "for a GGUF model give the .gguf file");
  folder.write("config.json", R"({"model_type":"llama","hidden_size":64})");
  folder.write("generation_config.json", R"({"temperature":0.6})");
  folder.write("tokenizer_config.json", R"({"add_bos_token":true})");
  folder.write("tokenizer.json", "{}");
  const auto bare = WeightFile::open(folder.path());
  ASSERT_EQ(message(bare), "");
  EXPECT_TRUE(bare->tensors().empty());
  folder.write("model.safetensors", safetensors_text("a"));
  const auto file = WeightFile::open(folder.path());
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(file->tensors().size(), 1u);
  EXPECT_EQ(**file->text("model_type"), "llama");
  EXPECT_EQ(**file->number("generation_config.temperature"), 0.6);
  EXPECT_EQ(**file->boolean("tokenizer_config.add_bos_token"), true);
  EXPECT_EQ(*file->side_file("tokenizer.json", 100), "{}");
  EXPECT_EQ(*file->side_file("absent.json", 100), "");
  EXPECT_SAYS(message(file->side_file("tokenizer.json", 1)), "larger than the limit");
  const auto alone = WeightFile::open(folder.path("config.json"));
  ASSERT_EQ(message(alone), "");
  EXPECT_TRUE(alone->tensors().empty());
  EXPECT_EQ(**alone->integer("hidden_size"), 64);
  folder.write("generation_config.json", "{");
  EXPECT_SAYS(message(WeightFile::open(folder.path())), "generation_config.json: parse error");
}

TEST(WeightFile, TakesShardNamesFromTheIndex) {
  const TemporaryFolder folder;
  folder.write("model-00001-of-000002.safetensors", safetensors_text("a"));
  folder.write("oddly named.safetensors", safetensors_text("b.c"));
  const auto opened = [&](std::string_view weight_map) {
    folder.write("model.safetensors.index.json", fmt::format(R"({{"weight_map":{}}})", weight_map));
    return WeightFile::open(folder.path());
  };
  const auto file =
      opened(R"({"a":"model-00001-of-000002.safetensors","b.c":"oddly named.safetensors"})");
  ASSERT_EQ(message(file), "");
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_TRUE(file->find("b.c"));
  EXPECT_SAYS(
      message(opened(R"({"a":"oddly named.safetensors"})")),
      "oddly named.safetensors: tensor a is missing, though model.safetensors.index.json says");
  EXPECT_SAYS(message(opened(R"({"a":"gone.safetensors"})")), "gone.safetensors: No such file");
  for (const char* outside : {R"({"a":"../x.safetensors"})", R"({"a":"/etc/passwd"})",
                              R"({"a":".."})", R"({"a":""})", R"({"a":7})"}) {
    EXPECT_SAYS(message(opened(outside)), "weight_map.a names no file of this folder");
  }
  EXPECT_SAYS(message(opened(R"({"a":"x","a":"x"})")), "weight_map.a appears twice");
}

TEST(WeightFile, NamesTheFileItCannotLoad) {
  EXPECT_SAYS(message(WeightFile::open("/nowhere/config.json")),
              "cannot open /nowhere/config.json: No such file");
  EXPECT_EQ(message(WeightFile::open("/nowhere/x.gguf")),
            "cannot load /nowhere/x.gguf: cannot open /nowhere/x.gguf: No such file or directory");
  const TemporaryFolder folder;
  EXPECT_SAYS(message(WeightFile::open(folder.write("empty.gguf", ""))),
              "empty.gguf: header length: the file has 0");
  EXPECT_SAYS(message(WeightFile::open("/dev/null")), "not a regular file");
}

TEST(WeightFile, OpensEveryRealCheckpoint) {
  for (const char* name :
       {"models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", "models/arith-llama-tiny",
        "golden/qwen2", "golden/qwen3", "golden/llama3", "golden/deepseek_v3",
        "golden/deepseek_v3_fp8", "golden/deepseek_v2_lite", "golden/deepseek_v3_no_q_lora",
        "gguf-vocab/ggml-vocab-deepseek-llm.gguf", "gguf-vocab/ggml-vocab-gpt-2.gguf",
        "gguf-vocab/ggml-vocab-llama-spm.gguf", "golden/qwen2/golden.safetensors"}) {
    R1_TEST_DATA(path, name);
    EXPECT_EQ(message(WeightFile::open(path)), "");
  }
}

}  // namespace
}  // namespace r1
