#include "infer/speculation_speed.h"

#include <future>
#include <optional>

#include "base/rng.h"
#include "infer/batcher.h"
#include "infer/memory.h"
#include "infer/wrapped_speculator.h"

namespace r1 {
namespace {

// Says a given text, whatever is drawn.
class Reciter final : public Sink {
 public:
  explicit Reciter(std::span<const int32_t> text) : text_(text) {}
  Next take(const Sampled&) override {
    const int32_t id = text_[said_++];
    return {.drop = 0, .append = {id}, .done = said_ == text_.size()};
  }
  void end(const End& end) override { done_.set_value(end); }
  End wait() { return done_.get_future().get(); }

 private:
  std::span<const int32_t> text_;
  size_t said_ = 0;
  std::promise<End> done_;
};

// Makes a share of somebody's guesses right and all others wrong, at the price of computing them.
class Corrected final : public WrappedSpeculator {
 public:
  Corrected(std::unique_ptr<Speculator> inner, double held, const std::vector<int32_t>& text,
            int64_t vocab)
      : WrappedSpeculator(std::move(inner)), held_(held), text_(text), vocab_(vocab) {}

  void propose(std::span<Draft> drafts, KvPages& kv) override {
    WrappedSpeculator::propose(drafts, kv);
    for (Draft& d : drafts) {
      for (size_t i = 0; i < d.ids.size(); ++i) {
        const size_t at = d.tokens.size() + i;
        if (at >= text_.size()) break;
        const bool right = uniform(12, 0, at) < held_;
        d.ids[i] = right ? text_[at] : static_cast<int32_t>((text_[at] + 1) % vocab_);
      }
    }
  }

 private:
  double held_;
  const std::vector<int32_t>& text_;  // prompt and what is recited after it
  int64_t vocab_;
};

}  // namespace

Result<SpeculationSpeed> measure_speculation(const Model& model, Context& ctx, DType kv_dtype,
                                             const SpeculationCase& c, const MakeSpeculator& make,
                                             int repeats, const std::function<void()>& after_run) {
  const int64_t length = 2 * c.tokens, vocab = model.config().vocab_size;
  const KvShape shape = model.kv_shape(kv_dtype);
  R1_TRY(const uint64_t free, available_memory());
  R1_TRY(const auto plan, plan_context(free / 2, shape.bytes_per_token(), length, length));
  const auto start =
      [&](std::unique_ptr<Speculator> speculator) -> Result<std::unique_ptr<Batcher>> {
    R1_TRY(auto pages, KvPages::create(shape, plan.pages));
    return std::make_unique<Batcher>(
        model, ctx, std::move(pages),
        BatcherOptions{.context = plan.context, .vocab = static_cast<int32_t>(vocab)},
        std::move(speculator));
  };
  std::vector<int32_t> text;
  R1_TRY(auto speculator, make(plan.pages));
  if (c.held >= 0)
    speculator = std::make_unique<Corrected>(std::move(speculator), c.held, text, vocab);
  R1_TRY(const auto plain, start(nullptr));
  R1_TRY(const auto guessing, start(std::move(speculator)));

  SpeculationSpeed speed{.measured = c, .plain = {}, .speculating = {}};
  const auto n = static_cast<size_t>(c.tokens);
  const auto run = [&](Batcher& batcher) -> Result<double> {
    const auto sink = std::make_shared<Reciter>(std::span(text).subspan(n));
    Request request{.prompt = {text.begin(), text.begin() + c.tokens},
                    .sampling = {},
                    .n_top = -1,
                    .sink = sink};
    request.sampling.temperature = 0;
    R1_DO(batcher.submit(std::move(request)));
    const Sink::End end = sink->wait();
    if (end.error) return *end.error;
    speed.drafted = end.drafted_tokens, speed.accepted = end.accepted_tokens;
    return static_cast<double>(c.tokens - 1) / end.decode_seconds;  // the first ends the prefill
  };
  std::vector<double> rates[2];
  for (int round = 0; round <= repeats; ++round) {
    text.resize(2 * n);
    for (size_t i = 0; i < text.size(); ++i)
      text[i] = c.repeats && i >= n
                    ? text[i - n]
                    : static_cast<int32_t>(uniform(11, static_cast<uint64_t>(round), i) *
                                           static_cast<double>(vocab));
    R1_TRY(const double without, run(*plain));
    R1_TRY(const double with, run(*guessing));
    if (round == 0) continue;  // to warm up
    rates[0].push_back(without), rates[1].push_back(with);
    if (after_run) after_run();
  }
  speed.plain = spread(std::move(rates[0]));
  speed.speculating = spread(std::move(rates[1]));
  return speed;
}

}  // namespace r1
