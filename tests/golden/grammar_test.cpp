// Answers that keep to a schema or a grammar, drawn at temperature 1 from real models; law 1 for
// them: alone, among others, and with guesses.
#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>
#include <regex>

#include "infer/engine.h"
#include "infer/grammar/automaton.h"
#include "tests/support/must.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSchema = R"({"type": "object", "properties": {
    "colour": {"type": "string", "enum": ["red", "blue"]},
    "n": {"type": "integer", "minimum": 1, "maximum": 40},
    "word": {"type": "string", "pattern": "^[a-z]{1,6}$"},
    "yes": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": ["null", "boolean"]}, "maxItems": 3}},
    "required": ["colour", "n", "word", "yes", "list"], "additionalProperties": false})";

void check(const std::string& text) {
  const Json j = Json::parse(text, nullptr, false);
  ASSERT_FALSE(j.is_discarded()) << text;
  EXPECT_EQ(j.size(), 5u) << text;
  EXPECT_TRUE(j["colour"] == "red" || j["colour"] == "blue") << text;
  EXPECT_TRUE(j["n"].is_number_integer() && j["n"] >= 1 && j["n"] <= 40) << text;
  EXPECT_TRUE(std::regex_match(j["word"].get<std::string>(), std::regex("[a-z]{1,6}"))) << text;
  EXPECT_TRUE(j["yes"].is_boolean()) << text;
  EXPECT_LE(j["list"].size(), 3u) << text;
  for (const Json& item : j["list"]) EXPECT_TRUE(item.is_null() || item.is_boolean()) << text;
}

std::unique_ptr<Engine> load(const std::string& path, Speculate speculate) {
  EngineOptions options;
  options.threads = 1;
  options.context = 512;
  options.speculate = speculate;
  return must(Engine::load(path, options));
}

Completion ask(Engine& engine, uint64_t seed, GrammarPtr grammar, int64_t max_tokens = -1) {
  GenerateParams p;
  p.sampling.temperature = 1;
  p.sampling.top_p = 1;
  p.sampling.seed = seed;
  p.max_tokens = max_tokens;
  p.grammar = std::move(grammar);
  const Json messages = Json::array({{{"role", "user"}, {"content", "Tell me in JSON."}}});
  return must(engine.chat(messages, Think::kAuto, p, {}));
}

TEST(GrammarOnModels, AnswersParseAndAreValidAndTheSameAmongOthers) {
  R1_TEST_DATA(stories, "models/stories260K/stories260K.f32.gguf");
  R1_TEST_DATA(smol, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto grammar = *make_grammar({{"json_schema", Json::parse(kSchema)}});
  for (const std::string& path : {stories, smol}) {
    const uint64_t seeds = path == stories ? 16 : 4;
    const auto alone = load(path, Speculate::kOff), together = load(path, Speculate::kLookup);
    std::vector<std::future<Completion>> all;
    for (uint64_t seed = 0; seed < seeds; ++seed)
      all.push_back(
          std::async(std::launch::async, [&, seed] { return ask(*together, seed, grammar); }));
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      const Completion said = all[seed].get();
      EXPECT_EQ(said.reason, FinishReason::kStop);
      check(said.answer);
      EXPECT_EQ(said.answer, ask(*alone, seed, grammar).answer) << seed;
    }
  }
}

TEST(GrammarOnModels, FreeObjectsAndExpressionsParse) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  const auto engine = load(path, Speculate::kLookup);
  const auto object = *make_grammar({{"json_schema", {{"type", "object"}}}});
  const auto expression = *regex_grammar("(ab|[0-9]{2}){1,4}é!");
  int ended = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    for (const GrammarPtr& grammar : {object, expression}) {
      const Completion said = ask(*engine, seed, grammar, 200);
      Automaton automaton(grammar);
      Automaton::State state = automaton.begin(Grammar::kAtOnce);
      for (const char c : said.answer) {
        state = automaton.next(state, static_cast<uint8_t>(c));
        ASSERT_NE(state, Automaton::kDead) << said.answer;
      }
      if (said.reason != FinishReason::kStop) continue;  // cut: the beginning of one
      ++ended;
      if (grammar == object) {
        EXPECT_TRUE(Json::parse(said.answer, nullptr, false).is_object()) << said.answer;
      } else {
        EXPECT_TRUE(std::regex_match(said.answer, std::regex("(ab|[0-9]{2}){1,4}é!")))
            << said.answer;
      }
    }
  }
  EXPECT_GT(ended, 0);
}

}  // namespace
}  // namespace r1
