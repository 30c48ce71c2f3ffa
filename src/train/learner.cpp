#include "train/learner.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/ops.h"

namespace r1 {
namespace {

size_t size(const ModelParameter& p) { return static_cast<size_t>(p.values.size()); }

// Of pieces, which are added in order: the same bits for any threads.
double parallel_squared_norm(Context& ctx, std::span<const float> x) {
  constexpr size_t kPiece = 1 << 16;
  std::vector<double> sums((x.size() + kPiece - 1) / kPiece);
  ctx.parallel(std::ssize(sums), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      sums[i] = squared_norm(x.subspan(i * kPiece, std::min(kPiece, x.size() - i * kPiece)));
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

Learner::Learner(const Model& model, Context& ctx, const Options& options)
    : model_(model), ctx_(ctx), options_(options), balance_(model) {
  R1_CHECK(!model.parameters().empty());
  for (const ModelParameter& p : model.parameters()) {
    State& s = states_.emplace_back();
    if (options_.tuning) s.tuning = options_.tuning(p);
    if (!p.by_gradient || s.tuning.frozen) continue;
    for (auto* x : {&s.gradient, &s.m, &s.v}) x->resize(static_cast<size_t>(p.values.size()));
  }
}

Result<KvPages*> Learner::pages_for(int64_t n_pages) {
  if (!pages_ || pages_->n_pages() < n_pages) {
    // F32: the keys and values of a forward that learns are exact.
    R1_TRY(KvPages pages,
           KvPages::create(model_.kv_shape(DType::kF32), static_cast<int32_t>(n_pages)));
    pages_ = std::make_unique<KvPages>(std::move(pages));
  }
  return pages_.get();
}

// What one forward holds: the sequences [begin, end) of a batch.
struct Learner::Packed {
  size_t begin = 0, end = 0;
  Batch rows{};
  std::vector<int32_t> pages{};
  KvPages* kv = nullptr;
};

// visit(packed, logp [wanted, 1]) for each forward of the batch.
template <class Visit>
Result<void> Learner::forwards(std::span<const TrainSequence> batch, const Trace& trace,
                               const Visit& visit) {
  for (size_t begin = 0; begin < batch.size();) {
    size_t end = begin;
    int64_t n_tokens = 0, n_pages = 0;
    do {
      R1_CHECK(batch[end].first >= 1 && batch[end].first < std::ssize(batch[end].ids));
      n_tokens += std::ssize(batch[end].ids) - 1;
      n_pages += (std::ssize(batch[end].ids) + kKvPage - 2) / kKvPage;
      ++end;
    } while (end < batch.size() &&
             n_tokens + std::ssize(batch[end].ids) - 1 <= options_.micro_batch);
    Packed packed{.begin = begin, .end = end};
    R1_TRY(packed.kv, pages_for(n_pages));
    std::vector<int32_t>& numbers = packed.pages;
    numbers.resize(static_cast<size_t>(n_pages));
    std::iota(numbers.begin(), numbers.end(), 0);
    Batch& rows = packed.rows;
    std::vector<int32_t> targets;
    size_t page = 0;
    for (size_t s = begin; s < end; ++s) {
      const auto ids = batch[s].ids;
      const auto n = static_cast<int32_t>(ids.size()) - 1;
      const auto first = static_cast<int32_t>(rows.tokens.size());
      const auto used = static_cast<size_t>((n + kKvPage - 1) / kKvPage);
      rows.parts.push_back({.first = first,
                            .count = n,
                            .position = 0,
                            .pages = std::span(numbers).subspan(page, used)});
      page += used;
      rows.tokens.insert(rows.tokens.end(), ids.begin(), ids.end() - 1);
      for (auto t = static_cast<int32_t>(batch[s].first) - 1; t < n; ++t) {
        rows.wanted.push_back(first + t);
        targets.push_back(ids[static_cast<size_t>(t) + 1]);
      }
    }
    const Tensor logits = model_.forward(ctx_, rows, *packed.kv, trace);
    visit(packed, log_probability(ctx_, logits, targets));
    begin = end;
  }
  return {};
}

Result<std::vector<float>> Learner::log_probabilities(std::span<const TrainSequence> batch) {
  std::vector<float> all;
  R1_DO(forwards(batch, {}, [&](const Packed&, const Tensor& logp) {
    all.insert(all.end(), logp.data(), logp.data() + logp.size());
  }));
  return all;
}

Result<void> Learner::accumulate(std::span<const TrainSequence> batch, LossGradient loss_gradient) {
  Tape tape(ctx_);
  tape.set_recompute(options_.recompute);
  for (size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].gradient.empty()) continue;
    const Tensor& values = model_.parameters()[i].values;
    tape.watch(values, {std::shared_ptr<float>(states_[i].gradient.data(), [](float*) {}),
                        values.rows(), values.cols()});
  }
  const bool ahead = options_.mtp_weight > 0 && model_.drafts();
  Tensor last;  // [T, dim]
  std::vector<std::vector<int32_t>> experts;
  const Trace trace{.last = ahead ? &last : nullptr, .experts = &experts};
  return forwards(batch, trace, [&](const Packed& packed, const Tensor& logp) {
    balance_.count(experts);
    const Tensor gradient = ctx_.tensor(logp.rows(), 1);
    int64_t at = 0;
    for (size_t s = packed.begin; s < packed.end; ++s) {
      const auto n = static_cast<size_t>(std::ssize(batch[s].ids) - batch[s].first);
      loss_gradient(s, {logp.data() + at, n}, {gradient.data() + at, n});
      at += static_cast<int64_t>(n);
    }
    if (ahead) look_ahead(tape, batch, packed, last, gradient);
    tape.backward(logp, gradient);
  });
}

// The layer that predicts the token after next (V3 eq. 21 to 25), on the rows of one forward:
// `last` [T, dim] is what it continues, `gradient` [wanted, 1] the wanted tokens' own.
void Learner::look_ahead(Tape& tape, std::span<const TrainSequence> batch, const Packed& packed,
                         const Tensor& last, const Tensor& gradient) {
  Batch ahead;
  ahead.parts = packed.rows.parts;
  std::vector<int32_t> targets;
  std::vector<float> weights;
  int64_t at = 0;  // of the sequence's first wanted token
  for (size_t s = packed.begin; s < packed.end; ++s) {
    const auto [ids, first] = batch[s];
    const auto row = static_cast<int64_t>(ahead.tokens.size());
    ahead.tokens.insert(ahead.tokens.end(), ids.begin() + 1, ids.end());
    for (int64_t t = std::max<int64_t>(first, 2); t < std::ssize(ids); ++t) {
      ahead.wanted.push_back(static_cast<int32_t>(row + t - 2));
      targets.push_back(ids[static_cast<size_t>(t)]);
      weights.push_back(gradient.data()[at + t - first]);
    }
    at += std::ssize(ids) - first;
  }
  if (targets.empty()) return;
  std::vector<std::vector<int32_t>> experts;
  const Tensor logits = model_.draft(ctx_, ahead, last, *packed.kv, nullptr, {.experts = &experts});
  balance_.count(experts, balance_.n_layers() - experts.size());
  const Tensor logp = log_probability(ctx_, logits, targets), dlogp = ctx_.tensor(logp.rows(), 1);
  for (int64_t i = 0; i < logp.rows(); ++i) {
    mtp_loss_ -= double{logp.data()[i]};
    dlogp.data()[i] = static_cast<float>(options_.mtp_weight) * weights[static_cast<size_t>(i)];
  }
  mtp_tokens_ += logp.rows();
  tape.add(logp, dlogp);
}

Result<Learner::Step> Learner::step() {
  double squares = 0, most = 0;
  size_t largest = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    const double of_tensor = parallel_squared_norm(ctx_, states_[i].gradient);
    if (!std::isfinite(of_tensor)) {
      return error("the gradient of {} is not finite", model_.parameters()[i].name);
    }
    squares += of_tensor;
    if (of_tensor > most) {
      most = of_tensor;
      largest = i;
    }
  }
  if (options_.stop_norm > 0 && std::sqrt(squares) > options_.stop_norm) {
    return error("the gradients' norm is {:.4g}, above {}; the largest is {}'s, {:.4g}",
                 std::sqrt(squares), options_.stop_norm, model_.parameters()[largest].name,
                 std::sqrt(most));
  }
  ++step_;
  Step done{.step = step_,
            .lr = options_.adamw.lr * options_.schedule.factor(step_),
            .gradient_norm = std::sqrt(squares),
            .mtp_loss = mtp_tokens_ > 0 ? mtp_loss_ / static_cast<double>(mtp_tokens_) : 0,
            .max_violation = balance_.violation()};
  mtp_loss_ = 0;
  mtp_tokens_ = 0;
  balance_.step(options_.balance_rate);
  AdamW adamw = options_.adamw;
  const double scale =
      options_.clip_norm > 0 ? clip_scale(done.gradient_norm, options_.clip_norm) : 1;
  for (size_t i = 0; i < states_.size(); ++i) {
    const ModelParameter& p = model_.parameters()[i];
    State& s = states_[i];
    if (s.gradient.empty()) continue;
    adamw.lr = done.lr * s.tuning.lr;
    adamw.weight_decay = s.tuning.weight_decay.value_or(options_.adamw.weight_decay);
    ctx_.parallel(p.values.size(), 1 << 14, [&](int64_t begin, int64_t end) {
      const auto part = [&](auto& x) {
        return std::span(x).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
      };
      std::span<float> values(p.values.data(), s.gradient.size());
      adamw_step(adamw, step_, static_cast<float>(scale), part(values), part(s.gradient), part(s.m),
                 part(s.v), ctx_.isa());
      std::ranges::fill(part(s.gradient), 0.0f);
    });
    p.refresh(ctx_);
  }
  return done;
}

void Learner::drop_gradients() {
  for (State& s : states_) std::ranges::fill(s.gradient, 0.0f);
}

uint64_t Learner::state_bytes() const {
  uint64_t bytes = 0;
  for (const State& s : states_) bytes += 3 * s.gradient.size() * sizeof(float);
  return bytes;
}

void Learner::save(SavedState& to) const {
  const auto add = [&](const char* file, const ModelParameter& p, std::span<const float> values) {
    to.tensors.push_back(state_tensor(fmt::format("{}/{}", file, p.name), p.shape, values));
  };
  const auto parameters = model_.parameters();
  for (const ModelParameter& p : parameters) add("model", p, {p.values.data(), size(p)});
  for (size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].gradient.empty()) continue;
    add("adamw_m", parameters[i], states_[i].m);
    add("adamw_v", parameters[i], states_[i].v);
  }
  to.values["adamw.step"] = step_;
}

Result<void> Learner::restore(const SavedState& from) {
  const auto parameters = model_.parameters();
  for (size_t i = 0; i < states_.size(); ++i) {
    const ModelParameter& p = parameters[i];
    R1_DO(from.copy("model/" + p.name, {p.values.data(), size(p)}));
    p.refresh(ctx_);
    if (states_[i].gradient.empty()) continue;
    R1_DO(from.copy("adamw_m/" + p.name, states_[i].m));
    R1_DO(from.copy("adamw_v/" + p.name, states_[i].v));
  }
  drop_gradients();
  R1_TRY(step_, from.integer("adamw.step"));
  return {};
}

}  // namespace r1
