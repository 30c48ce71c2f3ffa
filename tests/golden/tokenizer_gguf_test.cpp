// GGUF vocabularies against llama.cpp's own test vectors, and the prompts of the two real models.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "infer/vocab_spec.h"
#include "tests/support/must.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

Tokenizer open(const std::string& path) { return must(open_tokenizer(path)); }

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t at = 0;
  for (size_t end; (end = text.find(separator, at)) != std::string::npos;
       at = end + separator.size()) {
    parts.push_back(text.substr(at, end - at));
  }
  parts.push_back(text.substr(at));
  return parts;
}

void expect_vectors(const Tokenizer& tokenizer, const std::string& vectors) {
  const std::string base =
      find_test_data("tokenizers/llamacpp-vectors/ggml-vocab-" + vectors + ".gguf.inp");
  ASSERT_FALSE(base.empty()) << vectors;
  const auto texts = split(read_test_file(base), "\n__ggml_vocab_test__\n");
  const auto lines = split(read_test_file(base.substr(0, base.size() - 3) + "out"), "\n");
  ASSERT_EQ(texts.size(), 47u);
  ASSERT_GE(lines.size(), 47u);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::istringstream line(lines[i]);
    const Ids ids{std::istream_iterator<int32_t>(line), {}};
    EXPECT_EQ(tokenizer.encode(texts[i], false), ids)
        << vectors << ", text " << i << ": " << texts[i];
  }
}

class GgufVectors : public testing::TestWithParam<const char*> {};

TEST_P(GgufVectors, IdsEqualLlamaCpp) {
  R1_TEST_DATA(path, std::string("gguf-vocab/ggml-vocab-") + GetParam() + ".gguf");
  expect_vectors(open(path), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Files, GgufVectors,
                         testing::Values("deepseek-coder", "deepseek-llm", "gpt-2", "llama-spm"));

TEST(GgufTokenizer, Stories260K) {
  R1_TEST_DATA(model, "models/stories260K/stories260K.f32.gguf");
  R1_TEST_DATA(golden, "models/stories260K/golden.jsonl");
  const Tokenizer tokenizer = open(model);
  ASSERT_TRUE(tokenizer.add_bos());
  for (const std::string& line : split(read_test_file(golden), "\n")) {
    if (line.empty()) continue;
    const json entry = json::parse(line);
    const auto prompt = entry["prompt"].get<std::string>();
    Ids ids = {*tokenizer.bos()};
    const Ids more = tokenizer.encode(prompt, false);
    ids.insert(ids.end(), more.begin(), more.end());
    EXPECT_EQ(ids, entry["prompt_ids"].get<Ids>()) << prompt;
    EXPECT_EQ(tokenizer.decode(ids, true), prompt);
    Ids all = ids;
    const auto greedy = entry["greedy_ids"].get<Ids>();
    all.insert(all.end(), greedy.begin(), greedy.end());
    const auto text = entry["text"].get<std::string>();
    EXPECT_EQ(tokenizer.decode(all, true), text);
  }
}

TEST(GgufTokenizer, SmolLm2) {
  R1_TEST_DATA(model, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  R1_TEST_DATA(golden, "models/smollm2-135m-instruct/golden.json");
  const Tokenizer tokenizer = open(model);
  EXPECT_FALSE(tokenizer.add_bos());
  const json root = json::parse(read_test_file(golden));
  size_t prompts = 0;
  for (const json& entry : root["chat"]) {
    const auto rendered = entry["rendered"].get<std::string>();
    EXPECT_EQ(tokenizer.encode(rendered, true), entry["prompt_ids"].get<Ids>()) << rendered;
    ++prompts;
  }
  EXPECT_EQ(prompts, 6u);
  EXPECT_EQ(*tokenizer.eos(), 2);
  EXPECT_EQ(Ids(tokenizer.end_ids().begin(), tokenizer.end_ids().end()), (Ids{2, 0}));
}

}  // namespace
}  // namespace r1
