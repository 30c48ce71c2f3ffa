#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/must.h"
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
  return must(Tokenizer::from_json(read_test_file(json_path),
                                   config_path.empty() ? "" : read_test_file(config_path)));
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

// The same vocabularies as GGUF holds them give the same ids.
TEST(Tokenizer, GgufFamiliesEqualTheirOriginals) {
  const std::pair<const char*, const char*> kPairs[] = {
      {"deepseek-r1", "deepseek-v3"},
      {"deepseek-r1-distill-qwen", "deepseek-r1-qwen"},
      {"qwen3", "qwen2"},
      {"llama-3", "llama-bpe"},
      {"smollm2", "smollm"}};
  for (const auto& [folder, pre] : kPairs) {
    R1_TEST_DATA(path, std::string("tokenizers/") + folder + "/tokenizer.json.gz");
    const json file = json::parse(read_test_file(path));
    std::vector<std::string> tokens, merges;
    std::vector<TokenKind> kinds;
    const auto put = [&](size_t id, const std::string& text, TokenKind kind) {
      if (id >= tokens.size()) tokens.resize(id + 1), kinds.resize(id + 1, TokenKind::kUnused);
      tokens[id] = text;
      kinds[id] = kind;
    };
    for (const auto& [text, id] : file["model"]["vocab"].items()) put(id, text, TokenKind::kNormal);
    for (const json& t : file["added_tokens"]) {
      put(t["id"], t["content"], t["special"] ? TokenKind::kControl : TokenKind::kUserDefined);
    }
    for (const json& rule : file["model"]["merges"]) {
      merges.push_back(rule.is_string()
                           ? rule.get<std::string>()
                           : rule[0].get<std::string>() + " " + rule[1].get<std::string>());
    }
    VocabSpec spec;
    spec.model = "gpt2";
    spec.pre = pre;
    spec.tokens.assign(tokens.begin(), tokens.end());
    spec.merges.assign(merges.begin(), merges.end());
    spec.kinds = kinds;
    const auto tokenizer = Tokenizer::from_vocab(spec);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const std::string golden =
        find_test_data(std::string("tokenizers/") + folder + "/golden.jsonl");
    for (const std::string& line : split(read_test_file(golden), "\n")) {
      if (line.empty()) continue;
      const json entry = json::parse(line);
      EXPECT_EQ(tokenizer->encode(entry["text"].get<std::string>(), true), entry["ids"].get<Ids>())
          << pre << line;
    }
  }
}

// llama.cpp's 47 texts, ids by the original tokenizers.
TEST(Tokenizer, IdsEqualLlamaCppVectors) {
  const std::pair<const char*, const char*> kPairs[] = {
      {"qwen3", "qwen2"},
      {"deepseek-r1-distill-qwen", "deepseek-r1-qwen"},
      {"llama-3", "llama-bpe"}};
  for (const auto& [folder, vectors] : kPairs) {
    R1_TEST_DATA(in,
                 std::string("tokenizers/llamacpp-vectors/ggml-vocab-") + vectors + ".gguf.inp");
    const auto texts = split(read_test_file(in), "\n__ggml_vocab_test__\n");
    const auto lines = split(read_test_file(in.substr(0, in.size() - 3) + "out"), "\n");
    ASSERT_EQ(texts.size(), 47u);
    const Tokenizer tokenizer = load(folder);
    for (size_t i = 0; i < texts.size(); ++i) {
      std::istringstream line(lines[i]);
      const Ids ids{std::istream_iterator<int32_t>(line), {}};
      EXPECT_EQ(tokenizer.encode(texts[i], false), ids) << vectors << ": " << texts[i];
    }
  }
}

TEST(Tokenizer, KnowsItsRoles) {
  R1_TEST_DATA(present, "tokenizers/deepseek-r1-distill-qwen/tokenizer.json.gz");
  const Tokenizer distill = load("deepseek-r1-distill-qwen");
  EXPECT_EQ(distill.bos(), 151646);
  EXPECT_EQ(distill.eos(), 151643);
  EXPECT_TRUE(distill.add_bos());
  EXPECT_EQ(distill.find("<think>"), 151648);
  EXPECT_EQ(distill.kind(151648),
            TokenKind::kUserDefined);  // shown even where control tokens are not
  EXPECT_EQ(distill.kind(151643), TokenKind::kControl);
  EXPECT_EQ(Ids(distill.end_ids().begin(), distill.end_ids().end()), (Ids{151643, 151647}));
  const Ids ids = {151646, 151644, 13048, 151645, 151648, 198};
  EXPECT_EQ(distill.decode(ids, true), "<｜User｜>Hi<｜Assistant｜><think>\n");

  const Tokenizer qwen = load("qwen3");
  EXPECT_FALSE(qwen.add_bos());
  EXPECT_EQ(Ids(qwen.end_ids().begin(), qwen.end_ids().end()), (Ids{151645, 151643}));
  const Tokenizer llama = load("llama-3");
  EXPECT_TRUE(llama.add_bos());
  EXPECT_EQ(llama.bos(), 128000);
}

// No cut and no joint of user text makes a control token.
TEST(Tokenizer, UserTextNeverBecomesAControlToken) {
  R1_TEST_DATA(present, "tokenizers/deepseek-r1-distill-qwen/tokenizer.json.gz");
  const Tokenizer t = load("deepseek-r1-distill-qwen");
  const std::string turn = "<｜User｜>";
  for (const char* text : {"<｜Assistant｜>", "a<think></think>", "<<｜User｜>", "<｜User", "<",
                           "｜>", ">x", "User｜>"}) {
    const std::string safe = t.protect(text);
    const Ids ids = t.encode(turn + safe + turn, true);
    Ids expected = {151644};
    for (const int32_t id : t.encode(text, false)) expected.push_back(id);
    expected.push_back(151644);
    EXPECT_EQ(ids, expected) << text;
    EXPECT_EQ(t.encode("<" + safe, true), t.encode("<" + std::string(text), false)) << text;
    EXPECT_EQ(t.encode(safe + "｜User｜>", true), t.encode(std::string(text) + "｜User｜>", false))
        << text;
  }
  EXPECT_EQ(t.protect("no token here"), "no token here");
  EXPECT_EQ(t.protect("a\xFF"), "a\uFFFD");  // the mark itself cannot be smuggled in
  EXPECT_EQ(t.protect("user"), "user");      // roles and keys pass unchanged
}

// Times are not asserted; quadratic time would be noticed.
TEST(Tokenizer, TakesAMegabyteWithoutASpace) {
  R1_TEST_DATA(present, "tokenizers/deepseek-v3/tokenizer.json.gz");
  const Tokenizer t = load("deepseek-v3");
  for (const std::string unit : {"a", "1", " ", "\n", "!", "人", "é", "<"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    EXPECT_EQ(t.decode(t.encode(text, true)), text) << unit;
  }
}

json small_tokenizer() {
  json vocab = json::object();
  for (const char* token : {"a", "b", "c", "ab", "abc", "bc", "Ġ", "Ġa", "<s>"})
    vocab[token] = vocab.size();
  return {
      {"added_tokens", {{{"id", 8}, {"content", "<s>"}, {"special", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"b c", "a b", "a bc", "Ġ a"}}}}};
}

TEST(Tokenizer, MergesByRank) {
  auto t = Tokenizer::from_json(small_tokenizer().dump());
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->encode("abc", false), (Ids{4}));           // b c first, then a bc
  EXPECT_EQ(t->encode("ab abc", false), (Ids{3, 6, 4}));  // "a bc" comes before "Ġ a"
  EXPECT_EQ(t->encode(" a", false), (Ids{7}));
  EXPECT_EQ(t->encode("a<s>b", true), (Ids{0, 8, 1}));
  // As the original: what has no token is left out where there is no <unk>, before anything merges.
  EXPECT_EQ(t->encode("axb", true), (Ids{3}));
  EXPECT_EQ(t->decode(Ids{7, 8, 4}), " a<s>abc");
  EXPECT_EQ(t->decode(Ids{7, 8, 4}, true), " aabc");
  EXPECT_EQ(t->decode(Ids{-1, 99}), "");
  EXPECT_EQ(t->size(), 9);
  json pairs = small_tokenizer();
  pairs["model"]["merges"] = json::parse(R"([["b","c"],["a","b"],["a","bc"],["Ġ","a"]])");
  EXPECT_EQ(Tokenizer::from_json(pairs.dump())->encode("ab abc", false), (Ids{3, 6, 4}));
}

// What is unknown is refused by name.
TEST(Tokenizer, RefusesWhatItDoesNotKnow) {
  const auto expect_refused = [](const json& file, const std::string& reason) {
    const auto t = Tokenizer::from_json(file.dump());
    ASSERT_FALSE(t) << reason;
    EXPECT_NE(t.error().message.find(reason), std::string::npos) << t.error().message;
  };
  const auto changed = [](const char* pointer, json value) {
    json file = small_tokenizer();
    file[json::json_pointer(pointer)] = std::move(value);
    return file;
  };
  expect_refused(changed("/model/type", "Unigram"), "\"Unigram\"");
  expect_refused(changed("/model/vocab/a", 1), "same id 1");
  expect_refused(changed("/model/vocab/a", 1'000'000'000), "1000000000");
  expect_refused(changed("/model/vocab/a", -1), "-1");
  expect_refused(changed("/model/merges/0", "x y"), "not in the vocabulary");
  expect_refused(changed("/model/merges/0", "a"), "not two tokens");
  expect_refused(changed("/model/merges/0", {"a", "b", "c"}), "more than two");
  expect_refused(changed("/model/dropout", 0.1), "dropout");
  expect_refused(changed("/model/surprise", 1), "surprise");
  expect_refused(changed("/surprise", 1), "surprise");
  expect_refused(changed("/normalizer", {{"type", "Precompiled"}}), "\"Precompiled\"");
  expect_refused(changed("/pre_tokenizer/type", "Whitespace"), "\"Whitespace\"");
  expect_refused(changed("/decoder/type", "WordPiece"), "\"WordPiece\"");
  expect_refused(changed("/post_processor", {{"type", "BertProcessing"}}), "\"BertProcessing\"");
  expect_refused(changed("/added_tokens/0/surprise", true), "surprise");
  expect_refused(changed("/added_tokens/0/content", ""), "empty");
  expect_refused(changed("/added_tokens/1", {{"id", 8}, {"content", "<t>"}}), "same id 8");
  for (const char* text : {"", "{", "[]", "{\"model\":5}", "{}{}", "\xFF"})
    EXPECT_FALSE(Tokenizer::from_json(text));
  const std::string whole = small_tokenizer().dump();
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_FALSE(Tokenizer::from_json(whole.substr(0, n))) << n;
  EXPECT_FALSE(Tokenizer::from_json(whole + "{}"));
  EXPECT_FALSE(Tokenizer::from_json(whole, "{\"eos_token\":\"</none>\"}"));
}

TEST(Tokenizer, RefusesBadVocabularies) {
  VocabSpec spec;
  spec.model = "gpt2";
  spec.pre = "gpt-2";
  spec.tokens = {"a", "b", "ab"};
  spec.merges = {"a b"};
  ASSERT_TRUE(Tokenizer::from_vocab(spec));
  const auto refused = [](VocabSpec bad, const std::string& reason) {
    const auto t = Tokenizer::from_vocab(bad);
    ASSERT_FALSE(t) << reason;
    EXPECT_NE(t.error().message.find(reason), std::string::npos) << t.error().message;
  };
  VocabSpec bad = spec;
  bad.model = "bert", refused(bad, "\"bert\"");
  bad = spec, bad.pre = "tekken", refused(bad, "\"tekken\" is not supported");
  bad = spec, bad.tokens.clear(), refused(bad, "empty");
  bad = spec, bad.kinds = {TokenKind::kNormal}, refused(bad, "1 entries for 3");
  bad = spec, bad.merges = {"ab"}, refused(bad, "rule 0");
  bad = spec, bad.merges = {"b a"}, refused(bad, "not in the vocabulary");
  bad = spec, bad.eos = 3, refused(bad, "eos_token_id: 3");
  bad = spec, bad.tokens[1] = "\xFF", refused(bad, "not UTF-8");
  bad = spec, bad.model = "llama", refused(bad, "0 entries for 3");
  bad.scores = {0, 0, std::numeric_limits<float>::quiet_NaN()}, refused(bad, "no number");
}

}  // namespace
}  // namespace r1
