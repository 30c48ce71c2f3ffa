// The verifier: with any speculator, right, wrong or half right, every request says what it says
// without one, and no page is lost.
#include "infer/speculation.h"

#include <gtest/gtest.h>

#include <future>
#include <random>

#include "base/rng.h"
#include "infer/batcher.h"
#include "infer/fake_model.h"
#include "infer/lookup.h"

namespace r1 {
namespace {

using Ids = std::vector<int32_t>;

// Takes `limit` tokens; before the one of index `rewrite_at` joins, takes a few back and puts
// others there, as the end of a thought that came too early does.
class Reader final : public Sink {
 public:
  Reader(size_t limit, size_t rewrite_at) : limit_(limit), rewrite_at_(rewrite_at) {}

  Next take(const Sampled& token) override {
    ++taken;
    if (ids.size() == rewrite_at_ && !rewritten_) {
      rewritten_ = true;
      const auto drop = std::min<size_t>(ids.size(), 5);
      ids.resize(ids.size() - drop);
      ids.insert(ids.end(), {7, 8, 9});
      return {.drop = static_cast<int64_t>(drop), .append = {7, 8, 9}};
    }
    ids.push_back(token.id);
    return {.drop = 0, .append = {token.id}, .done = ids.size() >= limit_};
  }
  void end(const End& end) override { done_.set_value(end); }
  End wait() { return done_.get_future().get(); }

  Ids ids;
  size_t taken = 0;

 private:
  size_t limit_, rewrite_at_;
  bool rewritten_ = false;
  std::promise<End> done_;
};

// Says what the sequence will say, but for every n-th id, from answers it was told before.
class Oracle final : public Speculator {
 public:
  Oracle(std::map<Ids, Ids> answers, uint64_t wrong_every, bool computes)
      : answers_(std::move(answers)), wrong_every_(wrong_every), computes_(computes) {}

  void look(Draft& d) override {
    if (!computes_) guess(d);
  }
  void propose(std::span<Draft> drafts, KvPages&) override {
    for (Draft& d : drafts) {
      if (computes_) guess(d);
    }
  }
  void forget(uint64_t) override { ++forgotten; }
  void end(uint64_t, std::span<const int32_t>, std::span<const int32_t>) override { ++ended; }

  int64_t forgotten = 0, ended = 0;

 private:
  void guess(Draft& d) {
    const Ids& answer = answers_.at({d.prompt.begin(), d.prompt.end()});
    for (auto i = d.tokens.size() - d.prompt.size();
         i < answer.size() && std::ssize(d.ids) < d.most; ++i) {
      const bool wrong =
          wrong_every_ > 0 && uniform(3, d.number, i) * static_cast<double>(wrong_every_) < 1;
      d.ids.push_back(wrong ? 50 : answer[i]);
    }
    d.most = std::ssize(d.ids);
  }

  std::map<Ids, Ids> answers_;
  uint64_t wrong_every_;
  bool computes_;
};

struct Job {
  Ids prompt;
  SamplingParams sampling;
  size_t limit, rewrite_at;
};

std::vector<Job> make_jobs(size_t n) {
  std::mt19937 random(5);
  std::vector<Job> jobs;
  for (size_t i = 0; i < n; ++i) {
    Job job{.prompt = {static_cast<int32_t>(i)},
            .sampling = {},
            .limit = 20 + random() % 100,
            .rewrite_at = random() % 150};
    for (size_t t = random() % 100; t > 0; --t) job.prompt.push_back(static_cast<int32_t>(t % 90));
    job.sampling.temperature = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 0.7f : 1.5f;
    job.sampling.seed = random();
    if (i % 4 == 1) job.sampling.repetition_penalty = 1.3f, job.sampling.frequency_penalty = 0.5f;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

struct Outcome {
  Ids ids;
  Sink::End end;
  size_t taken;
};

std::vector<Outcome> run(const std::vector<Job>& jobs, std::unique_ptr<Speculator> speculator,
                         BatcherOptions options, int32_t n_pages = 1024,
                         FakeModel* given = nullptr) {
  FakeModel own;
  FakeModel& model = given ? *given : own;
  Context ctx(Isa::kRef, 2);
  options.vocab = FakeModel::kVocab;
  if (options.context == 0) options.context = 300;
  Batcher batcher(model, ctx, *KvPages::create(model.kv_shape(DType::kF32), n_pages), options,
                  std::move(speculator));
  std::vector<std::shared_ptr<Reader>> sinks;
  for (const Job& job : jobs) {
    sinks.push_back(std::make_shared<Reader>(job.limit, job.rewrite_at));
    const auto number = batcher.submit({job.prompt, job.sampling, -1, sinks.back()});
    EXPECT_TRUE(number) << number.error().message;
  }
  std::vector<Outcome> outcomes;
  for (const auto& sink : sinks) {
    const auto end = sink->wait();
    EXPECT_FALSE(end.error) << end.error->message;
    outcomes.push_back({sink->ids, end, sink->taken});
  }
  while (batcher.load().running > 0) std::this_thread::yield();
  EXPECT_EQ(batcher.load().pages.used, 0);
  return outcomes;
}

std::map<Ids, Ids> answers(const std::vector<Job>& jobs, const std::vector<Outcome>& outcomes) {
  std::map<Ids, Ids> result;
  for (size_t i = 0; i < jobs.size(); ++i) result[jobs[i].prompt] = outcomes[i].ids;
  return result;
}

void expect_same(const std::vector<Outcome>& got, const std::vector<Outcome>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].ids, want[i].ids) << "job " << i;
    EXPECT_EQ(got[i].taken, want[i].taken) << "job " << i;
  }
}

TEST(Speculation, NeverChangesWhatIsSaid) {
  const auto jobs = make_jobs(24);
  const auto want = run(jobs, nullptr, {});
  const auto truth = answers(jobs, want);
  for (const bool always : {true, false}) {
    for (const uint64_t wrong_every : std::vector<uint64_t>{0, 1, 2, 5}) {
      for (const int64_t step_tokens : {7, 64, 512}) {
        SCOPED_TRACE(fmt::format("always {}, wrong {}, step {}", always, wrong_every, step_tokens));
        const BatcherOptions options{
            .step_tokens = step_tokens, .step_seconds = 0, .draft_always = always};
        auto oracle = std::make_unique<Oracle>(truth, wrong_every, step_tokens == 64);
        expect_same(run(jobs, std::move(oracle), options), want);
      }
    }
  }
  expect_same(run(jobs, std::make_unique<Lookup>(), {.draft_always = true}), want);
}

TEST(Speculation, NeverChangesWhatIsSaidWherePagesAreFew) {
  const auto jobs = make_jobs(16);
  const auto want = run(jobs, nullptr, {});
  auto oracle = std::make_unique<Oracle>(answers(jobs, want), 3, false);
  expect_same(run(jobs, std::move(oracle), {.max_running = 8, .draft_always = true}, 13), want);
}

// One sequence whose last page is its context's last: guesses need pages and positions that do not
// exist.
TEST(Speculation, AGuessStaysWithinTheContextAndThePages) {
  Job job{.prompt = Ids(10, 4), .sampling = {}, .limit = 54, .rewrite_at = 1000};
  const auto want = run({job}, nullptr, {.context = 64}, 2);
  auto oracle = std::make_unique<Oracle>(std::map<Ids, Ids>{{job.prompt, Ids(300, 1)}}, 0, true);
  expect_same(run({job}, std::move(oracle), {.context = 64, .draft_always = true}, 2), want);
}

TEST(Speculation, WhatHoldsSavesStepsAndIsCounted) {
  Job job{.prompt = Ids(10, 4), .sampling = {}, .limit = 101, .rewrite_at = 1000};
  const auto want = run({job}, nullptr, {});
  EXPECT_EQ(want[0].end.drafted_tokens, 0);
  FakeModel model;
  const auto got = run({job}, std::make_unique<Oracle>(answers({job}, want), 0, false),
                       {.longest_draft = 9, .draft_always = true}, 64, &model);
  expect_same(got, want);
  // The first step has the prompt alone: then 10 tokens a step.
  EXPECT_EQ(model.steps, 11);
  EXPECT_EQ(got[0].end.drafted_tokens, 90);
  EXPECT_EQ(got[0].end.accepted_tokens, 90);
}

// Ids a sink puts in the place of the drawn ones hold if they were guessed.
TEST(Speculation, WhatASinkForcesMayBeGuessedToo) {
  class Forcer final : public Sink {
   public:
    Next take(const Sampled&) override {
      const auto n = static_cast<int32_t>(ids.size());
      Ids forced = {n % 90};
      if (n % 7 == 3) forced.insert(forced.end(), {(n + 1) % 90, (n + 2) % 90});
      ids.insert(ids.end(), forced.begin(), forced.end());
      return {.drop = 0, .append = forced, .done = ids.size() >= 120};
    }
    void end(const End& end) override { done.set_value(end); }
    Ids ids;
    std::promise<End> done;
  };
  Ids text;
  for (int32_t i = 0; i < 120; ++i) text.push_back(i % 90);
  FakeModel model;
  Context ctx(Isa::kRef, 1);
  Batcher batcher(
      model, ctx, *KvPages::create(model.kv_shape(DType::kF32), 64),
      {.context = 300, .vocab = FakeModel::kVocab, .longest_draft = 11, .draft_always = true},
      std::make_unique<Oracle>(std::map<Ids, Ids>{{{1, 2}, text}}, 0, false));
  const auto sink = std::make_shared<Forcer>();
  ASSERT_TRUE(batcher.submit({{1, 2}, {}, -1, sink}));
  const auto end = sink->done.get_future().get();
  EXPECT_FALSE(end.error);
  EXPECT_EQ(sink->ids, text);
  EXPECT_GT(end.accepted_tokens, 60);
}

TEST(Speculation, AFailingSpeculatorFailsItsStepAlone) {
  struct Failing final : Speculator {
    void look(Draft&) override {
      if (fail) throw std::runtime_error("no idea");
    }
    void forget(uint64_t) override {}
    void end(uint64_t, std::span<const int32_t>, std::span<const int32_t>) override {
      fail = false;
    }
    bool fail = true;
  };
  FakeModel model;
  Context ctx(Isa::kRef, 1);
  Batcher batcher(model, ctx, *KvPages::create(model.kv_shape(DType::kF32), 64),
                  {.context = 300, .vocab = FakeModel::kVocab}, std::make_unique<Failing>());
  for (const char* error : {"the step failed: no idea", ""}) {
    const auto sink = std::make_shared<Reader>(5, 100);
    ASSERT_TRUE(batcher.submit({{1}, {}, -1, sink}));
    const auto end = sink->wait();
    EXPECT_EQ(end.error ? end.error->message : "", error);
  }
}

}  // namespace
}  // namespace r1
