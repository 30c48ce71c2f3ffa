#include "train/sft.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numeric>

#include "base/clock.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

size_t first_wanted(const Example& e) {
  return static_cast<size_t>(std::ranges::find(e.wanted, true) - e.wanted.begin());
}

// Examples as a learner takes them, in the order that packs them best.
struct Sequences {
  std::vector<const Example*> examples;
  std::vector<TrainSequence> batch;
  int64_t tokens = 0, wanted = 0;

  Sequences(std::span<const Example> from, int64_t micro_batch) {
    std::vector<int64_t> lengths;
    for (const Example& e : from) lengths.push_back(std::ssize(e.ids) - 1);
    for (const size_t i : pack(lengths, micro_batch)) {
      const Example& e = from[i];
      examples.push_back(&e);
      batch.push_back({e.ids, static_cast<int64_t>(first_wanted(e))});
      tokens += std::ssize(e.ids);
      wanted += std::ranges::count(e.wanted, true);
    }
  }

  // Calls visit(i) for each of the `logp` of sequence s that is wanted.
  template <class Visit>
  void for_wanted(size_t s, size_t n_logp, const Visit& visit) const {
    const auto first = static_cast<size_t>(batch[s].first);
    for (size_t i = 0; i < n_logp; ++i) {
      if (examples[s]->wanted[first + i]) visit(i);
    }
  }
};

// "data.jsonl:3, data.jsonl:17 and 30 more"
std::string places(std::span<const Example> examples) {
  constexpr size_t kMost = 8;
  std::string text;
  for (size_t i = 0; i < std::min(kMost, examples.size()); ++i)
    text += (i ? ", " : "") + examples[i].where;
  if (examples.size() > kMost) text += fmt::format(" and {} more", examples.size() - kMost);
  return text;
}

}  // namespace

std::vector<size_t> pack(std::span<const int64_t> lengths, int64_t micro_batch) {
  std::vector<size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return lengths[i]; });
  std::vector<std::vector<size_t>> bins;
  std::multimap<int64_t, size_t> room;  // what is left in each bin
  for (const size_t i : order) {
    auto best = room.lower_bound(lengths[i]);
    size_t bin = bins.size();
    int64_t left = std::max<int64_t>(0, micro_batch - lengths[i]);
    if (best != room.end()) {
      bin = best->second;
      left = best->first - lengths[i];
      room.erase(best);
    } else {
      bins.emplace_back();
    }
    bins[bin].push_back(i);
    room.emplace(left, bin);
  }
  std::vector<size_t> packed;
  for (const auto& bin : bins) packed.insert(packed.end(), bin.begin(), bin.end());
  return packed;
}

SftTrainer::SftTrainer(const Model& model, Context& ctx, const Dataset& train,
                       const Dataset* held_out, const SftOptions& options,
                       const Learner::Options& learner)
    : model_(model),
      train_(train),
      held_out_(held_out),
      options_(options),
      micro_batch_(learner.micro_batch),
      learner_(model, ctx, learner) {}

// The next examples of a step, from the cursor on.
Result<SftTrainer::Taken> SftTrainer::take() const {
  Taken taken;
  taken.cursor = cursor_;
  int64_t tokens = 0;
  const int64_t n = train_.size();
  while (std::ssize(taken.examples) < options_.sequences) {
    const int64_t epoch = n > 0 ? taken.cursor / n : 0;
    const int64_t index =
        n > 0 ? shuffled(options_.seed, epoch, n, taken.cursor % n) : taken.cursor;
    R1_TRY(Example e, train_.example(index, epoch));
    if (e.empty()) {
      ++taken.cursor;
      if (++taken.dropped > std::max<int64_t>(n, 1 << 16))
        return error("data.max_tokens leaves no example to learn from");
      continue;
    }
    tokens += std::ssize(e.ids);
    if (options_.tokens > 0 && tokens > options_.tokens && !taken.examples.empty()) break;
    taken.cut += e.cut;
    taken.examples.push_back(std::move(e));
    ++taken.cursor;
  }
  return taken;
}

Result<StepReport> SftTrainer::step(int64_t step) {
  const auto start = Clock::now();
  R1_TRY(Taken taken, take());
  const Sequences sequences(taken.examples, micro_batch_);
  const auto each = -1 / static_cast<float>(sequences.wanted);
  double loss = 0;
  const Example* broken = nullptr;
  R1_DO(learner_.accumulate(sequences.batch, [&](size_t s, auto logp, auto gradient) {
    std::ranges::fill(gradient, 0.0f);
    sequences.for_wanted(s, logp.size(), [&](size_t i) {
      loss -= double{logp[i]};
      gradient[i] = each;
      if (!broken && !std::isfinite(logp[i])) broken = sequences.examples[s];
    });
  }));
  if (broken) {
    learner_.drop_gradients();
    return error("step {}: the loss is not finite; it is so on {}", step, broken->where);
  }
  auto done = learner_.step();
  if (!done) {
    learner_.drop_gradients();
    return error("step {}: {}; its batch: {}", step, done.error().message, places(taken.examples));
  }
  cursor_ = taken.cursor;
  const double seconds = seconds_since(start);
  StepReport report;
  report.metrics.values = {{"loss", loss / static_cast<double>(sequences.wanted)},
                           {"lr", done->lr},
                           {"gradient_norm", done->gradient_norm},
                           {"tokens_per_second", static_cast<double>(sequences.tokens) / seconds},
                           {"step_seconds", seconds},
                           {"tokens", static_cast<double>(sequences.tokens)},
                           {"sequences", static_cast<double>(taken.examples.size())}};
  auto& values = report.metrics.values;
  if (const int64_t n = train_.size(); n > 0)
    values.emplace_back("epoch", static_cast<double>(cursor_) / static_cast<double>(n));
  if (done->mtp_loss > 0) values.emplace_back("mtp_loss", done->mtp_loss);
  if (model_.config().moe.gate_bias)
    values.emplace_back("experts/max_violation", done->max_violation);
  if (taken.cut > 0) values.emplace_back("data/cut", static_cast<double>(taken.cut));
  if (taken.dropped > 0) values.emplace_back("data/dropped", static_cast<double>(taken.dropped));
  return report;
}

Result<EvaluationReport> SftTrainer::evaluate(int64_t) {
  std::vector<Example> examples;
  for (int64_t i = 0; i < options_.evaluate; ++i) {
    R1_TRY(Example e, held_out_->example(i, 0));
    if (!e.empty()) examples.push_back(std::move(e));
  }
  if (examples.empty()) return error("data.max_tokens leaves no example to evaluate");
  const Sequences sequences(examples, micro_batch_);
  R1_TRY(const auto logp, learner_.log_probabilities(sequences.batch));
  std::vector<std::pair<double, double>> sums;  // of each sequence: loss, wanted tokens
  size_t at = 0;
  for (size_t s = 0; s < sequences.batch.size(); ++s) {
    const auto n =
        static_cast<size_t>(std::ssize(sequences.batch[s].ids) - sequences.batch[s].first);
    auto& sum = sums.emplace_back(0, 0);
    sequences.for_wanted(s, n, [&](size_t i) {
      sum.first -= double{logp[at + i]};
      ++sum.second;
    });
    at += n;
  }
  // A ratio of sums over sequences, with the error of such (Cochran, Sampling Techniques, 6.4).
  double loss = 0;
  for (const auto& [l, n] : sums) loss += l / static_cast<double>(sequences.wanted);
  double squares = 0;
  for (const auto& [l, n] : sums) squares += (l - loss * n) * (l - loss * n);
  const auto k = static_cast<double>(sums.size());
  const double deviation =
      k > 1 ? std::sqrt(squares * k / (k - 1)) / static_cast<double>(sequences.wanted) : 0;
  EvaluationReport report;
  report.evaluation.values = {{.name = "loss",
                               .value = loss,
                               .low = loss - 1.96 * deviation,
                               .high = loss + 1.96 * deviation}};
  report.score = -loss;
  return report;
}

SavedState SftTrainer::state() {
  SavedState state;
  learner_.save(state);
  state.values["data.cursor"] = cursor_;
  return state;
}

Result<void> SftTrainer::restore(const SavedState& state) {
  R1_DO(learner_.restore(state));
  R1_TRY(cursor_, state.integer("data.cursor"));
  return {};
}

}  // namespace r1
