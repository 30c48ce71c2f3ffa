#include "format/summary.h"

#include "format/test_bytes.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

Summary summary_of(const std::string& path) {
  const auto file = WeightFile::open(path);
  EXPECT_EQ(message(file), "");
  auto summary = summarize(*file);
  EXPECT_EQ(message(summary), "");
  return *std::move(summary);
}

TEST(Summary, OfAGguf) {
  R1_TEST_DATA(path, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  const Summary s = summary_of(path);
  EXPECT_EQ(s.architecture, "llama");
  EXPECT_EQ(s.parameters->total, 134'515'008u);
  EXPECT_EQ(s.quantization, "Q4_1");
  EXPECT_NEAR(*s.bits_per_weight, 5.74, 0.01);
  EXPECT_EQ(s.types.at(DType::kQ4_1).tensors, 210u);
  EXPECT_EQ(s.context_length, 8192);
  EXPECT_EQ(s.layers, 30);
  EXPECT_EQ(s.dim, 576);
  EXPECT_EQ(s.heads, 9);
  EXPECT_EQ(s.kv_heads, 3);
  EXPECT_EQ(s.head_dim, 64);
  EXPECT_EQ(s.vocab_size, 49152);
  EXPECT_EQ(s.licence, "apache-2.0");
  EXPECT_TRUE(s.chat);
  EXPECT_FALSE(s.thinking);
  EXPECT_FALSE(s.tools);
}

TEST(Summary, OfAFolderWithExperts) {
  R1_TEST_DATA(path, "golden/deepseek_v3_fp8");
  const Summary s = summary_of(path);
  EXPECT_EQ(s.name, "deepseek_v3_fp8");
  EXPECT_EQ(s.architecture, "deepseek_v3");
  EXPECT_EQ(s.quantization, "F8_E4M3");
  EXPECT_LT(s.parameters->active, s.parameters->total);
  EXPECT_EQ(s.experts, 16);
  EXPECT_EQ(s.experts_used, 4);
  EXPECT_EQ(s.head_dim, 48);
  EXPECT_FALSE(s.chat);
}

TEST(Summary, OfAVocabularyAlone) {
  R1_TEST_DATA(path, "gguf-vocab/ggml-vocab-gpt-2.gguf");
  const Summary s = summary_of(path);
  EXPECT_EQ(s.architecture, "gpt2");
  EXPECT_EQ(s.vocab_size, 50257);
  EXPECT_FALSE(s.parameters || s.bits_per_weight);
}

TEST(Summary, JudgesTheTemplatesOfKnownModels) {
  const struct {
    const char* name;
    bool thinking, tools;
  } kCases[] = {{"deepseek-r1", true, false},  {"deepseek-r1-original", true, false},
                {"deepseek-v3", false, false}, {"qwen2.5", false, true},
                {"qwen3", true, true},         {"llama-3.1", false, true}};
  for (const auto& c : kCases) {
    R1_TEST_DATA(path, fmt::format("templates/{}.jinja", c.name));
    const TemporaryFolder folder;
    folder.write("config.json", "{}");
    folder.write("chat_template.jinja", read_test_file(path));
    const Summary s = summary_of(folder.path());
    EXPECT_TRUE(s.chat) << c.name;
    EXPECT_EQ(s.thinking, c.thinking) << c.name;
    EXPECT_EQ(s.tools, c.tools) << c.name;
  }
}

TEST(Summary, FindsToolsAsAVariableOnly) {
  const auto takes_tools = [](std::string_view source) {
    const TemporaryFolder folder;
    folder.write("config.json", "{}");
    folder.write("chat_template.jinja", source);
    return summary_of(folder.path()).tools;
  };
  EXPECT_TRUE(takes_tools("{% if tools %}"));
  EXPECT_TRUE(takes_tools("{{tools}}"));
  EXPECT_FALSE(takes_tools("tools {{ 'tools' + x.tools + tools_ }} tools"));
  EXPECT_FALSE(takes_tools("{% if 'it\\'s tools' %}"));
}

TEST(Summary, FindsLicenceAndThinkingBesideTheWeights) {
  const TemporaryFolder folder;
  folder.write("config.json", R"({"model_type":"qwen2"})");
  folder.write("LICENSE", "\n  MIT License  \nmore");
  folder.write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder":{"7":{"content":"<think>"},"8":{"content":"</think>"}}})");
  EXPECT_EQ(summary_of(folder.path()).licence, "MIT License");
  EXPECT_TRUE(summary_of(folder.path()).thinking);
  folder.write("README.md", "---\nlibrary: x\nlicense: mit\n---\nlicense: other\n");
  EXPECT_EQ(summary_of(folder.path()).licence, "mit");
  EXPECT_EQ(summary_of(folder.path()).architecture, "qwen2");
}

}  // namespace
}  // namespace r1
