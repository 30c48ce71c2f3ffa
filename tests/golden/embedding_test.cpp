// Embeddings of real models: the mean of the last layer's states over the positions, the same alone
// and among others, whatever the chunks.
#include "infer/embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <nlohmann/json.hpp>

#include "infer/engine.h"
#include "tests/support/must.h"
#include "tests/support/test_data.h"

namespace r1 {
namespace {

std::unique_ptr<Engine> load(const std::string& path) {
  EngineOptions options;
  options.threads = 1;
  options.context = 512;
  return must(Engine::load(path, options));
}

Embedding embed(Engine& engine, const std::string& text) {
  std::promise<Result<Embedding>> told;
  must(engine.embed(must(engine.prompt(text)), "",
                    [&](Result<Embedding> e) { told.set_value(std::move(e)); }));
  return must(told.get_future().get());
}

TEST(Embedding, IsTheMeanOfTheLastStates) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  const auto engine = load(path);
  const std::string text = "Once upon a time there was a little girl named Lily.";
  const Embedding said = embed(*engine, text);
  const auto ids = engine->prompt(text)->ids;
  ASSERT_EQ(said.tokens, std::ssize(ids));

  auto ctx = *Context::create(1);
  const Model& model = engine->model();
  auto pages = *KvPages::create(model.kv_shape(DType::kF16), 8);
  Tensor last;
  Batch batch{.tokens = ids, .parts = {}, .wanted = {}};
  const std::vector<int32_t> all = {0, 1, 2, 3, 4, 5, 6, 7};
  batch.parts.push_back(
      {.first = 0, .count = static_cast<int32_t>(ids.size()), .position = 0, .pages = all});
  (void)model.forward(*ctx, batch, pages, {.last = &last});
  std::vector<double> mean(static_cast<size_t>(last.cols()), 0);
  double square = 0;
  for (int64_t t = 0; t < last.rows(); ++t)
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(last.row(t)[i]);
  for (const double x : mean) square += x * x;
  ASSERT_EQ(said.values.size(), mean.size());
  for (size_t i = 0; i < mean.size(); ++i)
    EXPECT_FLOAT_EQ(said.values[i], static_cast<float>(mean[i] / std::sqrt(square)));
}

TEST(Embedding, IsTheSameAmongOthersAndAfterItself) {
  R1_TEST_DATA(path, "models/stories260K/stories260K.f32.gguf");
  const auto engine = load(path), busy = load(path);
  std::string text;
  for (int i = 0; i < 20; ++i) text += "The dog ran to the big red barn. ";
  const Embedding alone = embed(*engine, text);
  EXPECT_EQ(alone.values, embed(*engine, text).values) << "pages that could be shared are not";
  std::vector<std::future<Completion>> talk;
  for (uint64_t seed = 0; seed < 6; ++seed)
    talk.push_back(std::async(std::launch::async, [&, seed] {
      GenerateParams p;
      p.sampling.seed = seed;
      p.max_tokens = 60;
      const auto messages =
          nlohmann::ordered_json::array({{{"role", "user"}, {"content", "Once"}}});
      return *busy->chat(messages, Think::kAuto, p, {});
    }));
  std::vector<std::future<Embedding>> more;
  for (int i = 0; i < 3; ++i)
    more.push_back(std::async(std::launch::async, [&] { return embed(*busy, text); }));
  for (auto& one : more) EXPECT_EQ(one.get().values, alone.values);
  for (auto& one : talk) EXPECT_EQ(one.get().generated_tokens, 60);
}

TEST(Embedding, ShortenedItHasLengthOneAgain) {
  std::vector<float> values = {3, 4, 12};
  shorten(values, 5);
  EXPECT_EQ(values.size(), 3u);
  shorten(values, 2);
  EXPECT_EQ(values, (std::vector<float>{0.6f, 0.8f}));
}

}  // namespace
}  // namespace r1
