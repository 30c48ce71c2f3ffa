// Speculation on real models: whoever guesses, several sequences at once, at any temperature, the
// text is the one that would have come without; and the guesses are those the guessers should make.
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "infer/batcher.h"
#include "infer/draft_head.h"
#include "infer/draft_model.h"
#include "infer/engine.h"
#include "infer/lookup.h"
#include "infer/wrapped_speculator.h"
#include "model/replay.h"
#include "tensor/context.h"
#include "tests/golden/golden.h"

namespace r1 {
namespace {

using Ids = std::vector<int32_t>;
using Json = nlohmann::ordered_json;

constexpr const char* kStories = "models/stories260K/stories260K.f32.gguf";

class Collector final : public Sink {
 public:
  explicit Collector(size_t limit) : limit_(limit) {}
  Next take(const Sampled& token) override {
    ids.push_back(token.id);
    return {.drop = 0, .append = {token.id}, .done = ids.size() >= limit_};
  }
  void end(const End& end) override { done_.set_value(end); }
  End wait() { return done_.get_future().get(); }

  Ids ids;

 private:
  size_t limit_;
  std::promise<End> done_;
};

struct Said {
  std::vector<Ids> ids;
  int64_t drafted = 0, accepted = 0;
};

// Six sequences of three temperatures, whose prompts repeat themselves.
Said say(const Model& model, Context& ctx, std::unique_ptr<Speculator> speculator,
         int64_t longest_draft = 6, size_t n_tokens = 40) {
  const int64_t vocab = model.config().vocab_size;
  auto pages = KvPages::create(model.kv_shape(DType::kF16), 64);
  Batcher batcher(model, ctx, *std::move(pages),
                  {.context = 400,
                   .vocab = static_cast<int32_t>(vocab),
                   .longest_draft = longest_draft,
                   .draft_always = true},
                  std::move(speculator));
  std::vector<std::shared_ptr<Collector>> sinks;
  for (size_t i = 0; i < 6; ++i) {
    Request request;
    for (size_t t = 0; t < 20 + 9 * i; ++t)
      request.prompt.push_back(
          static_cast<int32_t>((t % (7 + i) * 31 + 5 * i) % static_cast<size_t>(vocab)));
    request.sampling.temperature = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 0.6f : 1.3f;
    request.sampling.seed = i;
    sinks.push_back(std::make_shared<Collector>(n_tokens));
    request.sink = sinks.back();
    must(batcher.submit(std::move(request)));
  }
  Said said;
  for (const auto& sink : sinks) {
    const auto end = sink->wait();
    if (end.error) throw std::runtime_error(end.error->message);
    said.ids.push_back(sink->ids);
    said.drafted += end.drafted_tokens;
    said.accepted += end.accepted_tokens;
  }
  while (batcher.load().running > 0) std::this_thread::yield();
  EXPECT_EQ(batcher.load().pages.used, 0);
  return said;
}

TEST(Speculation, LookupKeepsTheText) {
  int64_t accepted = 0;  // some of these models repeat themselves
  for (const char* name :
       {kStories, "models/arith-llama-tiny", "golden/deepseek_v2_lite", "golden/qwen3"}) {
    R1_TEST_DATA(path, name);
    const auto context = *Context::create(2);
    Context& ctx = *context;
    const auto model = load_model(path, Compute::kFast, ctx);
    const Said plain = say(*model, ctx, nullptr);
    const Said looked_up = say(*model, ctx, std::make_unique<Lookup>());
    EXPECT_EQ(looked_up.ids, plain.ids) << name;
    accepted += looked_up.accepted;
  }
  EXPECT_GT(accepted, 0);
}

// A model that drafts for itself is never wrong, at any temperature, as it draws by the same keys.
TEST(Speculation, ADraftModelKeepsTheText) {
  R1_TEST_DATA(path, kStories);
  const auto context = *Context::create(2);
  Context& ctx = *context;
  const auto model = load_model(path, Compute::kFast, ctx);
  const auto draft_with = [&](std::unique_ptr<Model> small) {
    auto pages = KvPages::create(small->kv_shape(DType::kF16), 64);
    const auto vocab = static_cast<int32_t>(small->config().vocab_size);
    return std::make_unique<DraftModel>(std::move(small), ctx, *std::move(pages), vocab);
  };
  const Said plain = say(*model, ctx, nullptr);
  const Said same = say(*model, ctx, draft_with(load_model(path, Compute::kFast, ctx)));
  EXPECT_EQ(same.ids, plain.ids);
  EXPECT_GT(same.drafted, 100);
  // The last draft of each reaches beyond its end.
  EXPECT_GE(same.accepted + 6 * 6, same.drafted);
  const Said other = say(*model, ctx, draft_with(load_model(path, Compute::kF32, ctx)), 3);
  EXPECT_EQ(other.ids, plain.ids);
  EXPECT_GT(other.accepted, 0);
}

// Hands on, and keeps what was guessed first for each length.
class Recorder final : public WrappedSpeculator {
 public:
  struct Guess {
    Ids tokens;
    int32_t id;
  };
  Recorder(std::unique_ptr<Speculator> inner, std::vector<Guess>& guesses)
      : WrappedSpeculator(std::move(inner)), guesses_(guesses) {}
  void propose(std::span<Draft> drafts, KvPages& kv) override {
    WrappedSpeculator::propose(drafts, kv);
    for (const Draft& d : drafts) {
      if (!d.ids.empty() && d.sampling->temperature == 0)
        guesses_.push_back({{d.tokens.begin(), d.tokens.end()}, d.ids[0]});
    }
  }

 private:
  std::vector<Guess>& guesses_;
};

// Row t of the layer over the whole text guesses the token at t + 2.
void expect_predicted(const Model& model, Context& ctx, const std::vector<Recorder::Guess>& all) {
  const int64_t vocab = model.config().vocab_size;
  for (const auto& [tokens, id] : all) {
    ReplayOptions options;
    options.mtp = true;
    options.kv_dtype = DType::kF16;
    const auto replays = replay(model, ctx, {tokens}, options);
    ASSERT_TRUE(replays);
    const auto row = (*replays)[0].mtp_logits.end() - vocab;
    EXPECT_EQ(std::max_element(row, row + vocab) - row, id);
  }
}

TEST(Speculation, TheModelsOwnPredictionKeepsTheText) {
  R1_TEST_DATA(path, "golden/deepseek_v3");
  const auto context = *Context::create(2);
  Context& ctx = *context;
  const auto model =
      load_model(path, LoadOptions{.compute = Compute::kF32, .progress = {}, .mtp = true}, ctx);
  ASSERT_TRUE(model->drafts());
  const auto vocab = static_cast<int32_t>(model->config().vocab_size);
  const Said plain = say(*model, ctx, nullptr);
  for (const int64_t longest : {1, 4}) {
    std::vector<Recorder::Guess> guesses;
    const Said said =
        say(*model, ctx,
            std::make_unique<Recorder>(std::make_unique<DraftHead>(*model, ctx, vocab), guesses),
            longest);
    EXPECT_EQ(said.ids, plain.ids);
    EXPECT_GT(guesses.size(), 20u);
    expect_predicted(*model, ctx, guesses);
  }
}

// Asks for nothing in a sequence's first steps.
class Silent final : public WrappedSpeculator {
 public:
  Silent(std::unique_ptr<Speculator> inner, int64_t steps)
      : WrappedSpeculator(std::move(inner)), steps_(steps) {}
  void look(Draft& draft) override {
    WrappedSpeculator::look(draft);
    if (seen_[draft.number]++ < steps_) draft.most = 0;
  }

 private:
  int64_t steps_;
  std::map<uint64_t, int64_t> seen_;
};

// It catches up with what nobody asked about; in a model of few layers it gives up in time.
TEST(Speculation, TheModelsOwnPredictionWaitsUntilItIsAsked) {
  R1_TEST_DATA(path, "golden/deepseek_v3");
  const auto context = *Context::create(2);
  Context& ctx = *context;
  const auto model =
      load_model(path, LoadOptions{.compute = Compute::kF32, .progress = {}, .mtp = true}, ctx);
  const auto vocab = static_cast<int32_t>(model->config().vocab_size);
  const auto after = [&](int64_t steps, std::vector<Recorder::Guess>& guesses) {
    auto head = std::make_unique<Silent>(std::make_unique<DraftHead>(*model, ctx, vocab), steps);
    return say(*model, ctx, std::make_unique<Recorder>(std::move(head), guesses), 3, 205);
  };
  const Said plain = say(*model, ctx, nullptr, 3, 205);
  std::vector<Recorder::Guess> caught_up, given_up;
  EXPECT_EQ(after(180, caught_up).ids, plain.ids);
  EXPECT_GT(caught_up.size(), 9u);
  expect_predicted(*model, ctx, caught_up);
  EXPECT_EQ(after(200, given_up).ids, plain.ids);
  EXPECT_EQ(given_up.size(), 0u);
}

TEST(Speculation, ADraftModelMustHaveTheSameVocabulary) {
  R1_TEST_DATA(large, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  R1_TEST_DATA(small, kStories);
  const auto engine = Engine::load(large, {.threads = 1,
                                           .context = 64,
                                           .progress = {},
                                           .speculate = Speculate::kDraft,
                                           .draft_model = small});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().message, "cannot draft with " + small +
                                        ": its vocabulary has 512 tokens, that of the model it is "
                                        "to draft for 49152: they must be the same");
  const auto head =
      Engine::load(small, {.threads = 1, .progress = {}, .speculate = Speculate::kMtp});
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().message, "cannot load " + small +
                                      ": it has no multi-token prediction layer to speculate with: "
                                      "--speculate lookup works for every model");
}

// From messages to text: stop strings, a thought that is closed and one that must go on.
TEST(Speculation, KeepsTextStopsAndThoughtsOfAConversation) {
  R1_TEST_DATA(path, "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto off = Engine::load(
      path, {.threads = 2, .context = 512, .progress = {}, .speculate = Speculate::kOff});
  const auto on = Engine::load(
      path, {.threads = 2, .context = 512, .progress = {}, .speculate = Speculate::kLookup});
  ASSERT_TRUE(off && on);
  const Json messages = Json::array(
      {{{"role", "user"},
        {"content",
         "Repeat this: one, two, three, four, five, one, two, three, four, five, six."}}});
  const auto prompt = *(*off)->tokenize_prompt(messages, Think::kAuto);
  int64_t guessed = 0;
  for (const float temperature : {0.0f, 0.5f, 1.0f}) {
    for (const int kind : {0, 1, 2}) {
      GenerateParams p;
      p.sampling.temperature = temperature;
      p.sampling.seed = 3;
      p.max_tokens = 48;
      if (kind == 1) p.stop = {"five"};
      if (kind == 2) p.think_budget = 24, p.think_minimum = 12;
      const auto ask = [&](Engine& engine) {
        return *engine.complete(prompt, kind == 2 ? "<think>\n" : "", p,
                                [](const Piece&) { return true; });
      };
      const Completion want = ask(**off), got = ask(**on);
      EXPECT_EQ(got.thought, want.thought);
      EXPECT_EQ(got.answer, want.answer);
      EXPECT_EQ(got.reason, want.reason);
      EXPECT_EQ(got.generated_tokens, want.generated_tokens);
      EXPECT_EQ(want.drafted_tokens, 0);
      guessed += got.drafted_tokens;
    }
  }
  EXPECT_GT(guessed, 0);
}

}  // namespace
}  // namespace r1
