#include "infer/batcher.h"

#include <gtest/gtest.h>

#include <future>
#include <random>

#include "infer/fake_model.h"
#include "tests/support/must.h"

namespace r1 {
namespace {

// Takes `limit` tokens and keeps them.
class Collector final : public Sink {
 public:
  explicit Collector(size_t limit) : limit_(limit) {}

  Next take(const Sampled& token) override {
    if (on_take) on_take(token);
    ids.push_back(token.id);
    return {.drop = 0, .append = {token.id}, .done = ids.size() >= limit_};
  }
  void end(const End& end) override { done_.set_value(end); }
  End wait() { return done_.get_future().get(); }

  std::vector<int32_t> ids;
  std::function<void(const Sampled&)> on_take;

 private:
  size_t limit_;
  std::promise<End> done_;
};

struct Job {
  std::vector<int32_t> prompt;
  uint64_t seed;
  size_t limit;
};

// Prompts of 1 to 200 tokens that share beginnings of several lengths.
std::vector<Job> make_jobs(size_t n) {
  std::mt19937 random(11);
  std::vector<Job> jobs;
  for (size_t i = 0; i < n; ++i) {
    Job job{.prompt = {}, .seed = random(), .limit = 1 + random() % 60};
    const size_t length = 1 + random() % 200, shared = random() % 150;
    for (size_t t = 0; t < length; ++t) {
      job.prompt.push_back(
          static_cast<int32_t>(t < shared ? t % 90 : random() % FakeModel::kVocab));
    }
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Request request(const Job& job, std::shared_ptr<Sink> sink) {
  SamplingParams sampling;
  sampling.temperature = 1;
  sampling.seed = job.seed;
  return {.prompt = job.prompt, .sampling = sampling, .n_top = -1, .sink = std::move(sink)};
}

struct Rig {
  explicit Rig(int32_t n_pages = 256, BatcherOptions options = {}, int threads = 1)
      : ctx(Isa::kRef, threads) {
    auto pages = KvPages::create(model.kv_shape(DType::kF32), n_pages);
    if (options.context == 0) options.context = 300;
    options.vocab = FakeModel::kVocab;
    batcher.emplace(model, ctx, *pages, options);
  }
  std::shared_ptr<Collector> submit(const Job& job) {
    auto sink = std::make_shared<Collector>(job.limit);
    must(batcher->submit(request(job, sink)));
    return sink;
  }
  std::vector<int32_t> run(const Job& job) {
    const auto sink = submit(job);
    const auto end = sink->wait();
    EXPECT_FALSE(end.error);
    return sink->ids;
  }

  FakeModel model;
  Context ctx;
  std::optional<Batcher> batcher;
};

// Law 1: alone, on a fresh batcher.
std::vector<std::vector<int32_t>> alone(const std::vector<Job>& jobs) {
  std::vector<std::vector<int32_t>> ids;
  for (const Job& job : jobs) ids.push_back(Rig().run(job));
  return ids;
}

void expect_same_together(Rig& rig, const std::vector<Job>& jobs,
                          const std::vector<std::vector<int32_t>>& expected) {
  std::vector<std::shared_ptr<Collector>> sinks;
  for (const Job& job : jobs) sinks.push_back(rig.submit(job));
  for (size_t i = 0; i < jobs.size(); ++i) {
    const auto end = sinks[i]->wait();
    EXPECT_FALSE(end.error) << end.error->message;
    EXPECT_EQ(sinks[i]->ids, expected[i]) << "job " << i;
  }
}

TEST(Batcher, ARequestSaysTheSameAloneAndAmongOthers) {
  const auto jobs = make_jobs(65);
  const auto expected = alone(jobs);
  for (const int64_t step_tokens : {1, 7, 32, 100, 512}) {  // chunks of any size
    Rig rig(1024, {.context = 300, .step_tokens = step_tokens, .step_seconds = 0}, 2);
    expect_same_together(rig, jobs, expected);
    expect_same_together(rig, jobs, expected);  // now with cached prefixes
  }
}

TEST(Batcher, PreemptedSequencesLoseNothing) {
  const auto jobs = make_jobs(40);
  const auto expected = alone(jobs);
  Rig rig(12, {.context = 300, .max_running = 16, .step_tokens = 64, .step_seconds = 0});
  expect_same_together(rig, jobs, expected);
  while (rig.batcher->load().running > 0) std::this_thread::yield();
  EXPECT_GT(rig.batcher->load().preemptions, 0);
}

TEST(Batcher, ManyOfOnePromptComputeItOnce) {
  Job job{.prompt = std::vector<int32_t>(257, 5), .seed = 1, .limit = 3};
  const auto expected = Rig().run(job);
  std::atomic<int64_t> rows = 0;
  Rig rig(512, {.context = 300, .step_tokens = 64, .step_seconds = 0});
  rig.model.before_step = [&](const Batch& batch) { rows += std::ssize(batch.tokens); };
  std::vector<std::shared_ptr<Collector>> sinks;
  for (int i = 0; i < 32; ++i) sinks.push_back(rig.submit(job));
  int64_t cached = 0;
  for (const auto& sink : sinks) {
    cached += sink->wait().cached_tokens;
    EXPECT_EQ(sink->ids, expected);
  }
  EXPECT_EQ(cached, 31 * 256);
  EXPECT_EQ(rows, 257 + 31 + 2 * 32) << "the prompt once, its last token for each, two tokens more";
}

TEST(Batcher, APromptShorterThanAPageIsComputedOnceToo) {
  Job job{.prompt = std::vector<int32_t>(20, 5), .seed = 1, .limit = 3};
  const auto expected = Rig().run(job);
  std::promise<void> submitted;
  std::atomic<int64_t> rows = 0;
  Rig rig(512, {.context = 300, .step_tokens = 64, .step_seconds = 0});
  rig.model.before_step = [&, gate = submitted.get_future().share()](const Batch& batch) {
    gate.wait();
    rows += std::ssize(batch.tokens);
  };
  std::vector<std::shared_ptr<Collector>> sinks;
  for (int i = 0; i < 32; ++i) sinks.push_back(rig.submit(job));
  submitted.set_value();
  for (const auto& sink : sinks) {
    sink->wait();
    EXPECT_EQ(sink->ids, expected);
  }
  EXPECT_EQ(rows, 20 + 31 + 2 * 32);
}

TEST(Batcher, WhoeverAwaitsAPrefixLetsOthersPass) {
  const Job longest{.prompt = std::vector<int32_t>(280, 5), .seed = 1, .limit = 3};
  const Job other{.prompt = std::vector<int32_t>(40, 6), .seed = 2, .limit = 1};
  std::promise<void> entered, submitted;
  std::vector<std::vector<int32_t>> steps;  // the rows of each sequence of a step
  Rig rig(512, {.context = 300, .step_tokens = 300, .step_seconds = 0});
  rig.model.before_step = [&, gate = submitted.get_future().share()](const Batch& batch) {
    if (steps.empty()) entered.set_value();
    gate.wait();
    steps.emplace_back();
    for (const auto& part : batch.parts) steps.back().push_back(part.count);
  };
  const auto first = rig.submit({.prompt = {1}, .seed = 1, .limit = 1});
  entered.get_future().wait();  // the worker is held until all are there
  std::vector<std::shared_ptr<Collector>> sinks;
  for (int i = 0; i < 3; ++i) sinks.push_back(rig.submit(longest));
  sinks.push_back(rig.submit(other));
  submitted.set_value();
  first->wait();
  for (const auto& sink : sinks) EXPECT_FALSE(sink->wait().error);
  ASSERT_GE(steps.size(), 3u);
  EXPECT_EQ(steps[1], (std::vector<int32_t>{280, 20}));
  EXPECT_EQ(steps[2], (std::vector<int32_t>{1, 20, 1, 1}));
}

// Runs `jobs` one after the other, all submitted before the first of them ends, and tells whose
// were begun, in order.
std::string order_of(const std::vector<std::pair<char, Job>>& jobs) {
  std::promise<void> submitted;
  Rig rig(256, {.context = 300, .max_running = 1, .step_seconds = 0});
  rig.model.before_step = [gate = submitted.get_future().share()](const Batch&) { gate.wait(); };
  std::string order;
  std::vector<std::shared_ptr<Collector>> sinks;
  for (const auto& [owner, job] : jobs) {
    sinks.push_back(std::make_shared<Collector>(job.limit));
    sinks.back()->on_take = [&order, owner, sink = sinks.back().get()](const Sampled&) {
      if (sink->ids.empty()) order += owner;
    };
    Request one = request(job, sinks.back());
    one.owner = owner;
    EXPECT_TRUE(rig.batcher->submit(std::move(one)));
  }
  submitted.set_value();
  for (const auto& sink : sinks) EXPECT_FALSE(sink->wait().error);
  return order;
}

TEST(Batcher, WhoFloodsLetsOthersHaveTheirTurn) {
  std::vector<std::pair<char, Job>> jobs(100, {'f', {.prompt = {1, 2, 3}, .seed = 1, .limit = 2}});
  jobs.push_back({'s', jobs[0].second});
  const std::string order = order_of(jobs);
  EXPECT_LE(order.find('s'), 2u) << "behind what ran already, and one more at most";
}

TEST(Batcher, OwnersHaveTheirShareInTokens) {
  std::vector<std::pair<char, Job>> jobs;  // those of b are three times as long
  for (int32_t i = 0; i < 40; ++i)
    jobs.push_back({i < 20 ? 'a' : 'b', {.prompt = {i, 1}, .seed = 1, .limit = i < 20 ? 4u : 14u}});
  const std::string order = order_of(jobs);
  const std::string first = order.substr(0, 24);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(first, 'b')), 6, 1) << order;
}

TEST(Batcher, TakingTokensBackGivesTheTextThatWouldHaveBeen) {
  // Writes 40 tokens, takes back 25 of them across a page boundary and puts others there.
  struct Rewriter final : Sink {
    Next take(const Sampled& token) override {
      ids.push_back(token.id);
      if (ids.size() == 40 && !rewritten) {
        rewritten = true;
        ids.resize(15);
        ids.insert(ids.end(), {1, 2, 3});
        return {.drop = 24, .append = {1, 2, 3}};  // the drawn one never joined
      }
      return {.drop = 0, .append = {token.id}, .done = ids.size() == 60};
    }
    void end(const End& e) override { done.set_value(e); }
    std::vector<int32_t> ids;
    bool rewritten = false;
    std::promise<End> done;
  };
  const Job job{.prompt = std::vector<int32_t>(20, 9), .seed = 3, .limit = 42};
  Rig rig;
  const auto sink = std::make_shared<Rewriter>();
  ASSERT_TRUE(rig.batcher->submit(request(job, sink)));
  ASSERT_FALSE(sink->done.get_future().get().error);
  Job rest{.prompt = job.prompt, .seed = 3, .limit = 42};
  rest.prompt.insert(rest.prompt.end(), sink->ids.begin(), sink->ids.begin() + 18);
  const auto expected = Rig().run(rest);
  EXPECT_EQ(std::vector<int32_t>(sink->ids.begin() + 18, sink->ids.end()), expected);
}

TEST(Batcher, CancellingFreesThePagesWithinAStep) {
  Rig rig(256, {.context = 5000});
  std::promise<void> started;
  auto sink = std::make_shared<Collector>(4000);
  sink->on_take = [&, n = 0](const Sampled&) mutable {
    if (++n == 3) started.set_value();
  };
  const auto number =
      rig.batcher->submit(request({.prompt = {1, 2, 3}, .seed = 1, .limit = 4000}, sink));
  ASSERT_TRUE(number);
  started.get_future().wait();
  rig.batcher->cancel(*number);
  const auto end = sink->wait();
  EXPECT_TRUE(end.cancelled);
  EXPECT_LT(sink->ids.size(), 4000u);
  rig.batcher->cancel(12345);  // nobody's number
  EXPECT_EQ(rig.run({.prompt = {4}, .seed = 1, .limit = 2}).size(), 2u);
}

TEST(Batcher, AFailingStepFailsItsRequestsAndNobodyElse) {
  Rig rig;
  std::atomic<bool> fail = true;
  rig.model.before_step = [&](const Batch&) {
    if (fail) throw std::runtime_error("out of luck");
  };
  const auto end = rig.submit({.prompt = {1, 2}, .seed = 1, .limit = 5})->wait();
  ASSERT_TRUE(end.error);
  EXPECT_EQ(end.error->message, "the step failed: out of luck");
  fail = false;
  const Job job{.prompt = {1, 2}, .seed = 1, .limit = 5};
  EXPECT_EQ(rig.run(job), Rig().run(job));
  while (rig.batcher->load().running > 0) std::this_thread::yield();
  EXPECT_EQ(rig.batcher->load().pages.used, 0);
}

TEST(Batcher, AFailingSinkFailsAlone) {
  Rig rig;
  const Job job{.prompt = {1, 2}, .seed = 1, .limit = 30};
  auto bad = std::make_shared<Collector>(30);
  bad->on_take = [](const Sampled&) { throw std::runtime_error("full disk"); };
  ASSERT_TRUE(rig.batcher->submit(request(job, bad)));
  const auto good = rig.submit(job);
  EXPECT_EQ(bad->wait().error->message, "the request failed: full disk");
  EXPECT_FALSE(good->wait().error);
}

TEST(Batcher, RefusesWhatCannotRunAndSaysWhy) {
  Rig rig;
  const auto refusal = [&](std::vector<int32_t> prompt) {
    const auto r = rig.batcher->submit(request({.prompt = std::move(prompt), .seed = 0, .limit = 1},
                                               std::make_shared<Collector>(1)));
    return r ? "" : r.error().message;
  };
  EXPECT_EQ(refusal({}), "the prompt is empty: give at least one token");
  EXPECT_EQ(
      refusal(std::vector<int32_t>(300, 1)),
      "prompt has 300 tokens, the context holds 300: shorten it or start with --context 4096");
  EXPECT_EQ(refusal({FakeModel::kVocab}), "the prompt holds token 97: the model's ids are 0 to 96");
}

TEST(Batcher, TheQueueIsBoundedAndItsEndIsCancelled) {
  std::promise<void> entered, release;
  std::vector<std::shared_ptr<Collector>> sinks;
  {
    Rig rig(256, {.context = 300, .max_running = 1, .max_waiting = 4});
    rig.model.before_step = [&, first = true,
                             gate = release.get_future().share()](const Batch&) mutable {
      if (first) entered.set_value();
      first = false;
      gate.wait();
    };
    const Job job{.prompt = {1}, .seed = 0, .limit = 200};
    sinks.push_back(rig.submit(job));
    entered.get_future().wait();
    for (int i = 0; i < 4; ++i) sinks.push_back(rig.submit(job));
    const auto refused = rig.batcher->submit(request(job, std::make_shared<Collector>(1)));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "4 requests are waiting already, the queue holds 4: try again later");
    for (size_t i = 0; i < sinks.size(); ++i) rig.batcher->cancel(i + 1);
    release.set_value();
  }
  for (const auto& sink : sinks) EXPECT_TRUE(sink->wait().cancelled);
}

}  // namespace
}  // namespace r1
