#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/test_data.h"

namespace r1 {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

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

Tokenizer load(const std::string& folder) {
  const std::string json_path = find_test_data("tokenizers/" + folder + "/tokenizer.json.gz");
  const std::string config_path = find_test_data("tokenizers/" + folder + "/tokenizer_config.json");
  auto tokenizer = Tokenizer::from_json(read_test_file(json_path),
                                        config_path.empty() ? "" : read_test_file(config_path));
  if (!tokenizer) ADD_FAILURE() << folder << ": " << tokenizer.error().message;
  return *std::move(tokenizer);
}

class Golden : public testing::TestWithParam<const char*> {};

// Hugging Face's ids of 285 texts, special tokens parsed; and back, but for texts NFC changed.
TEST_P(Golden, IdsEqualHuggingFace) {
  R1_TEST_DATA(path, std::string("tokenizers/") + GetParam() + "/golden.jsonl");
  const Tokenizer tokenizer = load(GetParam());
  int lines = 0;
  for (const std::string& line : split(read_test_file(path), "\n")) {
    if (line.empty()) continue;
    const json golden = json::parse(line);
    const auto text = golden["text"].get<std::string>();
    const auto ids = golden["ids"].get<Ids>();
    EXPECT_EQ(tokenizer.encode(text, true), ids) << line;
    if (!golden.contains("decode_differs")) {
      EXPECT_EQ(tokenizer.decode(ids), text) << line;
    }
    // What protect has passed spells no control token, wherever it stands.
    EXPECT_EQ(tokenizer.encode(tokenizer.protect(text), true), tokenizer.encode(text, false))
        << line;
    ++lines;
  }
  EXPECT_EQ(lines, 285);
}

INSTANTIATE_TEST_SUITE_P(Families, Golden,
                         testing::Values("deepseek-v3", "deepseek-r1", "qwen3",
                                         "deepseek-r1-distill-qwen", "smollm2", "llama-3"));

}  // namespace
}  // namespace r1
