#include "infer/serving_speed.h"

#include <chrono>
#include <future>

#include "base/clock.h"
#include "base/rng.h"
#include "infer/batcher.h"
#include "infer/memory.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

// A model, and how long its forwards took.
class TimedModel final : public Model {
 public:
  explicit TimedModel(const Model& model) : model_(model) {}

  const Config& config() const override { return model_.config(); }
  KvShape kv_shape(DType kv_dtype) const override { return model_.kv_shape(kv_dtype); }
  uint64_t weight_bytes() const override { return model_.weight_bytes(); }
  uint64_t step_bytes(int64_t n_tokens) const override { return model_.step_bytes(n_tokens); }
  Tensor forward(Context& ctx, const Batch& batch, KvPages& kv, const Trace& trace) const override {
    const auto start = Clock::now();
    Tensor logits = model_.forward(ctx, batch, kv, trace);
    seconds += seconds_since(start);
    ++steps;
    rows += std::ssize(batch.tokens);
    return logits;
  }

  // Of the batcher's worker; read once it has ended.
  mutable double seconds = 0;
  mutable int64_t steps = 0, rows = 0;

 private:
  const Model& model_;
};

class Counter final : public Sink {
 public:
  explicit Counter(int64_t limit) : limit_(limit) {}
  Next take(const Sampled& token) override {
    return {.drop = 0, .append = {token.id}, .done = ++taken_ == limit_};
  }
  void end(const End& end) override { end_.set_value(end); }
  End wait() { return end_.get_future().get(); }
  int64_t taken() const { return taken_; }  // after wait()

 private:
  int64_t limit_, taken_ = 0;
  std::promise<End> end_;
};

}  // namespace

Result<ServingSpeed> serving_speed(const Model& model, Context& ctx, DType kv_dtype,
                                   const ServingCase& c) {
  const int64_t longest = c.prompt + c.generated + c.generated / 2;
  const int64_t pages = c.running * ((longest + kKvPage - 1) / kKvPage + 1);
  const KvShape shape = model.kv_shape(kv_dtype);
  R1_TRY(const uint64_t free, available_memory());
  R1_DO(plan_context(free, shape.bytes_per_token(), pages * kKvPage, pages * kKvPage));
  R1_TRY(auto memory, KvPages::create(shape, static_cast<int32_t>(pages)));

  const TimedModel timed(model);
  const auto vocab = static_cast<int32_t>(model.config().vocab_size);
  ServingSpeed speed{.measured = c};
  std::vector<std::shared_ptr<Counter>> sinks;
  std::optional<Batcher> batcher;
  batcher.emplace(timed, ctx, std::move(memory),
                  BatcherOptions{.context = longest + 1,
                                 .vocab = vocab,
                                 .max_running = static_cast<int>(c.running),
                                 .max_waiting = static_cast<int>(c.requests),
                                 .step_seconds = 0});
  const auto start = Clock::now();
  for (int64_t i = 0; i < c.requests; ++i) {
    const auto n = static_cast<uint64_t>(i);
    Request request;
    for (int64_t t = 0; t < c.prompt; ++t) {
      request.prompt.push_back(static_cast<int32_t>(
          uniform(1, n / static_cast<uint64_t>(c.group), static_cast<uint64_t>(t)) * vocab));
    }
    request.sampling.temperature = request.sampling.top_p = 1;
    request.sampling.seed = n;
    const auto length =
        static_cast<int64_t>((0.5 + uniform(2, n, 0)) * static_cast<double>(c.generated));
    sinks.push_back(std::make_shared<Counter>(std::max<int64_t>(1, length)));
    request.sink = sinks.back();
    R1_DO(batcher->submit(std::move(request)));
  }
  for (const auto& sink : sinks) {
    const Sink::End end = sink->wait();
    if (end.error) return *end.error;
    speed.cached_tokens += end.cached_tokens;
    speed.prompt_tokens += c.prompt;
    speed.generated_tokens += sink->taken();
  }
  speed.seconds = seconds_since(start);
  batcher.reset();
  speed.forward_seconds = timed.seconds;
  speed.steps = timed.steps;
  speed.rows = timed.rows;
  return speed;
}

}  // namespace r1
