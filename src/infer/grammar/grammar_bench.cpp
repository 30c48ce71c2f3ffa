// What a grammar adds to a token: the mask of 151,936 ids at every token of an answer that nobody
// asked of this grammar before.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <unordered_map>

#include "infer/grammar/constraint.h"

namespace r1 {
namespace {

constexpr int32_t kVocab = 151936;  // Qwen's

// Bytes, words with and without a space before them, runs of blanks, punctuation, and characters of
// three bytes, about as many of each as Qwen has; those of JSON among them.
class Vocabulary {
 public:
  Vocabulary() {
    for (int b = 0; b < 256; ++b) add(std::string(1, static_cast<char>(b)));
    for (size_t n = 2; n <= 128; ++n) add(std::string(n, ' ')), add("\n" + std::string(n, ' '));
    for (const char* text : {"{\"", "\":", "\": \"", "\",", "\"}", "\": ", "\", \"", "},", "[\"",
                             "\"],", "true", "false", "null", "\\\"", "\\n", "\": [", "\": {"})
      add(text);
    std::mt19937 random(1);
    const auto letters = [&](size_t n) {
      std::string word;
      for (size_t i = 0; i < n; ++i) word += static_cast<char>('a' + random() % 26);
      return word;
    };
    for (int a = 'a'; a <= 'z'; ++a)
      for (int b = 'a'; b <= 'z'; ++b) add({static_cast<char>(a), static_cast<char>(b)});
    while (std::ssize(tokens_) < 110'000) {
      std::string word = letters(2 + random() % 8);
      if (random() % 4 == 0) word[0] = static_cast<char>(word[0] - 32);
      add(random() % 2 == 0 ? " " + word : word);
    }
    while (std::ssize(tokens_) < 115'000) {
      std::string marks;
      for (size_t n = 2 + random() % 3; n > 0; --n)
        marks += "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~ \n"[random() % 34];
      add(marks);
    }
    while (std::ssize(tokens_) < kVocab) {
      std::string wide;
      for (size_t n = 1 + random() % 4; n > 0; --n) {
        const auto c = static_cast<uint32_t>(0x4E00 + random() % 0x51FF);
        wide += static_cast<char>(0xE0 | c >> 12);
        wide += static_cast<char>(0x80 | (c >> 6 & 63));
        wide += static_cast<char>(0x80 | (c & 63));
      }
      add(wide);
    }
    tree = std::make_shared<TokenTree>(kVocab, [this](int32_t id) -> std::string_view {
      return tokens_[static_cast<size_t>(id)];
    });
  }

  // By the longest token each time.
  std::vector<std::string> split(const std::string& text) const {
    std::vector<std::string> parts;
    for (size_t at = 0; at < text.size(); at += parts.back().size()) {
      size_t n = std::min<size_t>(text.size() - at, 16);
      while (!known_.contains(text.substr(at, n))) --n;
      parts.push_back(text.substr(at, n));
    }
    return parts;
  }

  std::shared_ptr<const TokenTree> tree;

 private:
  void add(std::string text) {
    if (known_.emplace(text, tokens_.size()).second) tokens_.push_back(std::move(text));
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, size_t> known_;
};

void run(benchmark::State& state, const std::string& spec, const std::string& text) {
  static const Vocabulary vocabulary;
  const auto grammar = make_grammar(nlohmann::ordered_json::parse(spec));
  if (!grammar) return state.SkipWithError(grammar.error().message.c_str());
  const auto parts = vocabulary.split(text);
  for (auto _ : state) {
    Constraint constraint(*grammar, vocabulary.tree, {0});
    for (const std::string& part : parts) {
      benchmark::DoNotOptimize(constraint.mask());
      if (!constraint.take(part)) return state.SkipWithError(("not allowed: " + part).c_str());
      constraint.tidy();
    }
  }
  state.counters["s_a_token"] =
      benchmark::Counter(static_cast<double>(state.iterations() * std::ssize(parts)),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

const int registered = [] {
  const std::string person =
      R"({"name": "a long name of many words", "born": 1948, "tags": ["one", "two", "three words"],)"
      R"( "about": "Words that go on for a while, as answers do; nothing is said in them at all."})";
  const auto schema = [](const char* name, const char* about) {
    return fmt::format(
        R"({{"json_schema": {{"type": "object", "properties": {{"name": {{"type": "string"{}}},)"
        R"( "born": {{"type": "integer", "minimum": 1000, "maximum": 2030}}, "tags": {{"type":)"
        R"( "array", "items": {{"type": "string"}}}}, "about": {{"type": "string"{}}}}},)"
        R"( "required": ["name", "born", "tags", "about"]}}}})",
        name, about);
  };
  const auto add = [](const char* name, const std::string& spec, const std::string& text) {
    benchmark::RegisterBenchmark(fmt::format("mask/{}", name).c_str(), run, spec, text)
        ->Unit(benchmark::kMillisecond)
        ->MinTime(0.2);
  };
  add("any_json", R"({"json_schema": {"type": "object"}})", person);
  add("schema", schema("", ""), person);
  add("schema_max_length", schema(R"(, "maxLength": 30)", R"(, "maxLength": 200)"), person);
  add("schema_pattern", schema(R"(, "pattern": "^[a-z ]{3,40}$")", ""), person);
  add("gbnf", R"({"gbnf": "root ::= (\"yes\" | \"no\") \", \" [a-z ,]{3,80} \".\""})",
      "yes, words that go on for a while, as answers do, and stop.");
  return 0;
}();

}  // namespace
}  // namespace r1
