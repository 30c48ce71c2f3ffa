// The engine on a tiny random checkpoint without a tokenizer: many callers, on ids.
#include "infer/engine.h"

#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "tests/support/must.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

std::unique_ptr<Engine> load(const std::string& path) {
  EngineOptions options;
  options.threads = 1;
  options.context = 64;
  return must(Engine::load(path, options));
}

GenerateParams params(uint64_t seed) {
  GenerateParams p;
  p.sampling.temperature = 1;
  p.sampling.seed = seed;
  p.top_logprobs = 2;
  return p;
}

std::vector<int32_t> ask(Engine& engine, uint64_t seed) {
  std::vector<int32_t> ids;
  const Completion completion = must(engine.complete({1, 2, static_cast<int32_t>(seed % 10)}, "",
                                                     params(seed), [&](const Piece& piece) {
                                                       for (const auto& token : piece.tokens) {
                                                         EXPECT_EQ(token.top.size(), 2u);
                                                         ids.push_back(token.id);
                                                       }
                                                       return true;
                                                     }));
  EXPECT_EQ(completion.generated_tokens, std::ssize(ids));
  EXPECT_TRUE(completion.reason == FinishReason::kStop ||
              completion.reason == FinishReason::kContext);
  return ids;
}

TEST(Engine, TheSameSeedSaysTheSameAmongOthers) {
  R1_TEST_DATA(path, "models/arith-llama-tiny");
  const auto engine = load(path);
  std::vector<std::future<std::vector<int32_t>>> together;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    together.push_back(
        std::async(std::launch::async, [&engine, seed] { return ask(*engine, seed); }));
  }
  const auto alone = load(path);
  for (uint64_t seed = 0; seed < 16; ++seed)
    EXPECT_EQ(together[seed].get(), ask(*alone, seed)) << seed;
}

TEST(Engine, ACallerWhoLeavesOrThrowsLeavesNothingRunning) {
  R1_TEST_DATA(path, "models/arith-llama-tiny");
  const auto engine = load(path);
  GenerateParams p = params(1);
  p.sampling.logit_bias = {{1, -1000.0f}};  // never the end
  int pieces = 0;
  const auto left = engine->complete({1, 2}, "", p, [&](const Piece&) { return ++pieces < 1; });
  ASSERT_TRUE(left);
  EXPECT_EQ(pieces, 1);
  EXPECT_TRUE(left->reason == FinishReason::kCancelled || left->reason == FinishReason::kContext);
  EXPECT_THROW((void)engine->complete(
                   {1, 2}, "", p, [](const Piece&) -> bool { throw std::runtime_error("gone"); }),
               std::runtime_error);
  EXPECT_EQ(ask(*engine, 3), ask(*engine, 3));
}

TEST(Engine, WithoutATokenizerItWorksOnIds) {
  R1_TEST_DATA(path, "models/arith-llama-tiny");
  const auto engine = load(path);
  EXPECT_EQ(engine->tokenizer(), nullptr);
  const auto refused =
      engine->chat(nlohmann::ordered_json::array({{{"role", "user"}, {"content", "hi"}}}),
                   Think::kAuto, params(0), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "'arith-llama-tiny' has no tokenizer: it works on token ids only");
  EXPECT_EQ(engine->complete({1, 16}, "", params(0), {}).error().message,
            "the prompt holds token 16: the model's ids are 0 to 15");
}

TEST(Engine, ParametersOutOfRangeAreNamed) {
  R1_TEST_DATA(path, "models/arith-llama-tiny");
  const auto engine = load(path);
  const auto refusal = [&](auto change) {
    GenerateParams p = params(0);
    change(p);
    const auto result = engine->complete({1}, "", p, {});
    return result ? "" : result.error().message;
  };
  EXPECT_EQ(refusal([](auto& p) { p.max_tokens = 0; }),
            "max_tokens is 0: it must be -1 (up to the context) or at least 1");
  EXPECT_EQ(refusal([](auto& p) { p.stop = {"a", ""}; }), "stop string 1 is empty");
  EXPECT_EQ(refusal([](auto& p) { p.think_budget = 5, p.think_minimum = 6; }),
            "think_minimum is 6, above think_budget 5");
  EXPECT_EQ(refusal([](auto& p) { p.sampling.top_p = 2; }),
            "top_p is 2: it must be above 0 and at most 1");
}

}  // namespace
}  // namespace r1
