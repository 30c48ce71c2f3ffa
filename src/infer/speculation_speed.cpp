#include "infer/speculation_speed.h"

#include <future>
#include <optional>

#include "base/rng.h"
#include "infer/batcher.h"
#include "infer/lookup.h"
#include "infer/memory.h"

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

}  // namespace

Result<SpeculationSpeed> measure_lookup(const Model& model, Context& ctx, DType kv_dtype,
                                        bool repeats_text, int64_t tokens, int repeats,
                                        const std::function<void()>& after_run) {
  const int64_t length = 2 * tokens, vocab = model.config().vocab_size;
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
  R1_TRY(const auto plain, start(nullptr));
  R1_TRY(const auto guessing, start(std::make_unique<Lookup>(0)));

  SpeculationSpeed speed{.repeats = repeats_text, .tokens = tokens, .plain = {}, .speculating = {}};
  const auto run = [&](Batcher& batcher, int round) -> Result<double> {
    const auto n = static_cast<size_t>(tokens);
    std::vector<int32_t> text(2 * n);
    for (size_t i = 0; i < text.size(); ++i)
      text[i] = repeats_text && i >= n
                    ? text[i - n]
                    : static_cast<int32_t>(uniform(11, static_cast<uint64_t>(round), i) *
                                           static_cast<double>(vocab));
    const auto sink = std::make_shared<Reciter>(std::span(text).subspan(n));
    Request request{
        .prompt = {text.begin(), text.begin() + tokens}, .sampling = {}, .n_top = -1, .sink = sink};
    request.sampling.temperature = 0;
    R1_DO(batcher.submit(std::move(request)));
    const Sink::End end = sink->wait();
    if (end.error) return *end.error;
    speed.drafted = end.drafted_tokens, speed.accepted = end.accepted_tokens;
    return static_cast<double>(tokens - 1) / end.decode_seconds;  // the first ends the prefill
  };
  std::vector<double> rates[2];
  for (int round = 0; round <= repeats; ++round) {
    R1_TRY(const double without, run(*plain, round));
    R1_TRY(const double with, run(*guessing, round));
    if (round == 0) continue;  // to warm up
    rates[0].push_back(without), rates[1].push_back(with);
    if (after_run) after_run();
  }
  speed.plain = spread(std::move(rates[0]));
  speed.speculating = spread(std::move(rates[1]));
  return speed;
}

}  // namespace r1
