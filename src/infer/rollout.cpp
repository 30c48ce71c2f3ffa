#include "infer/rollout.h"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>

#include "infer/batcher.h"

namespace r1 {
namespace {

constexpr int64_t kPrefillRows = 512;  // rows of a step beside those that decode

int64_t pages_for(int64_t positions) { return (positions + kKvPage - 1) / kKvPage; }

// Waits for the last of many answers, and keeps the first error.
class Gathering {
 public:
  Gathering(int64_t n, const RolloutOptions& options) : options_(options), left_(n) {}

  // The batcher's thread alone.
  void end(const std::optional<Error>& failure, int64_t tokens) {
    tokens_ += tokens;
    if (options_.progress) options_.progress(++ended_, tokens_);
    const std::lock_guard lock(mutex_);
    if (failure && !failure_) failure_ = failure;
    if (--left_ == 0) done_.notify_one();
  }
  Result<void> wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    if (failure_) return *failure_;
    return {};
  }

 private:
  const RolloutOptions& options_;
  int64_t ended_ = 0, tokens_ = 0;
  std::mutex mutex_;  // guards what follows
  std::condition_variable done_;
  int64_t left_;
  std::optional<Error> failure_;
};

class Answering final : public Sink {
 public:
  Answering(const RolloutOptions& options, Rollout& to, Gathering& all)
      : options_(options), to_(to), all_(all) {}

  Next take(const Sampled& token) override {
    to_.ids.push_back(token.id);
    to_.logp.push_back(token.logprob);
    const bool ended = std::ranges::find(options_.ends, token.id) != options_.ends.end();
    to_.capped = !ended && std::ssize(to_.logp) == options_.max_tokens;
    return {.drop = 0, .append = {token.id}, .done = ended || to_.capped};
  }
  void end(const End& end) override { all_.end(end.error, std::ssize(to_.logp)); }

 private:
  const RolloutOptions& options_;
  Rollout& to_;
  Gathering& all_;
};

}  // namespace

Result<std::vector<Rollout>> roll_out(const Model& model, Context& ctx,
                                      const RolloutOptions& options,
                                      std::span<const RolloutPrompt> prompts) {
  R1_CHECK(options.max_tokens > 0 && options.max_running > 0);
  int64_t n = 0, longest = 0;
  for (const RolloutPrompt& p : prompts) {
    n += std::ssize(p.seeds);
    longest = std::max(longest, std::ssize(p.ids));
  }
  const int64_t running = std::min(n, options.max_running), context = longest + options.max_tokens;
  const int64_t n_pages = running * pages_for(context);
  if (n_pages > std::numeric_limits<int32_t>::max()) {
    return error("{} answers of {} tokens at the same time: lower max_running or max_tokens",
                 running, context);
  }
  R1_TRY(KvPages pages,
         KvPages::create(model.kv_shape(options.kv_dtype), static_cast<int32_t>(n_pages)));
  std::vector<Rollout> rollouts(static_cast<size_t>(n));
  Gathering all(n, options);
  Batcher batcher(model, ctx, std::move(pages),
                  {.context = context,
                   .vocab = options.vocab,
                   .max_running = static_cast<int>(running),
                   .max_waiting = static_cast<int>(n),
                   .step_tokens = running + kPrefillRows,
                   .step_seconds = 0});
  size_t i = 0;
  for (const RolloutPrompt& p : prompts) {
    for (const uint64_t seed : p.seeds) {
      Rollout& to = rollouts[i++];
      to.ids = p.ids;
      to.first = std::ssize(p.ids);
      Request request{.prompt = p.ids,
                      .sampling = {},
                      .sink = std::make_shared<Answering>(options, to, all),
                      .exact_logprob = true};
      request.sampling.temperature = options.temperature;
      request.sampling.top_p = options.top_p;
      request.sampling.top_k = options.top_k;
      request.sampling.seed = seed;
      if (const auto number = batcher.submit(std::move(request)); !number) return number.error();
    }
  }
  R1_DO(all.wait());
  return rollouts;
}

}  // namespace r1
