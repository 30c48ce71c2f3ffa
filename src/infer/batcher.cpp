#include "infer/batcher.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include "tensor/ops.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kFirstBudget = 64, kLeastBudget = 32;  // rows: enough to be compute-bound

bool nothing(const TokenMask& mask) {
  return std::ranges::all_of(mask, [](uint64_t word) { return word == 0; });
}

double seconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

struct Batcher::Sequence {
  uint64_t number = 0;
  Request request;
  std::vector<int32_t> tokens;  // prompt and what was generated
  KvSequence kv;
  FairShare::Owner* owner = nullptr;
  int64_t cached_tokens = 0;
  std::optional<Clock::time_point> admitted, first_token;
  int64_t drafted = 0, accepted = 0;
  double saved_seconds = 0;

  int64_t size() const { return std::ssize(tokens); }
  int64_t pending() const {
    return size() - kv.length;
  }  // positions to compute before the next draw
  std::span<const int32_t> generated() const {
    return std::span(tokens).subspan(request.prompt.size());
  }
  // All that may come from the cache: the last position is computed for its logits.
  std::span<const int32_t> adoptable() const { return std::span(tokens).first(tokens.size() - 1); }
};

// How much of what `a` may adopt `b` begins with.
int64_t Batcher::shared_tokens(const Sequence& a, const Sequence& b) {
  const auto wanted = a.adoptable();
  return std::ranges::mismatch(wanted, b.tokens).in1 - wanted.begin();
}

// One sequence's rows in a step: `count` of its tokens, then the first `most` ids of the draft.
struct Batcher::Row {
  uint64_t number;
  Sequence* sequence;
  int64_t count;
  Draft draft;
  std::vector<std::shared_ptr<const TokenMask>> masks =
      {};  // of each draw, where they are asked for

  std::span<const int32_t> guessed() const {
    return std::span(draft.ids).first(static_cast<size_t>(draft.most));
  }
};

Batcher::Batcher(const Model& model, Context& ctx, KvPages pages, const BatcherOptions& options,
                 std::unique_ptr<Speculator> speculator)
    : model_(model),
      ctx_(ctx),
      options_(options),
      cache_(std::move(pages)),
      speculator_(std::move(speculator)) {
  R1_CHECK(options_.context > 0 && options_.context <= cache_.capacity());
  R1_CHECK(options_.vocab > 0 && options_.max_running > 0 && options_.step_tokens > 0);
  budget_ = options_.step_seconds > 0 ? std::min(kFirstBudget, options_.step_tokens)
                                      : options_.step_tokens;
  worker_ = std::thread([this] { work(); });
}

Batcher::~Batcher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  worker_.join();
}

Result<uint64_t> Batcher::submit(Request request) {
  R1_CHECK(request.sink != nullptr);
  R1_DO(request.sampling.check());
  const auto n = std::ssize(request.prompt);
  if (n == 0) return error("the prompt is empty: give at least one token");
  if (n >= options_.context) {
    return error(
        "prompt has {} tokens, the context holds {}: shorten it or start with --context {}", n,
        options_.context, std::max(2 * options_.context, (n / 4096 + 1) * 4096));
  }
  for (const int32_t id : request.prompt) {
    if (id < 0 || id >= options_.vocab) {
      return error("the prompt holds token {}: the model's ids are 0 to {}", id,
                   options_.vocab - 1);
    }
  }
  auto sequence = std::make_unique<Sequence>();
  sequence->tokens = request.prompt;
  sequence->request = std::move(request);
  uint64_t number;
  {
    const std::lock_guard lock(mutex_);
    const int64_t queued = std::ssize(arrivals_) + load_.waiting;
    if (queued >= options_.max_waiting) {
      return error("{} requests are waiting already, the queue holds {}: try again later", queued,
                   options_.max_waiting);
    }
    number = sequence->number = next_number_++;
    arrivals_.emplace(number, std::move(sequence));
  }
  wake_.notify_one();
  return number;
}

void Batcher::cancel(uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    cancelled_.insert(number);
  }
  wake_.notify_one();
}

Batcher::Load Batcher::load() const {
  const std::lock_guard lock(mutex_);
  Load load = load_;
  load.waiting += std::ssize(arrivals_);
  return load;
}

void Batcher::work() {
  while (collect()) {
    step();
    report();
  }
  while (!running_.empty()) finish(running_.front()->number, std::nullopt, true);
  while (!waiting_.empty()) finish(waiting_.begin()->first, std::nullopt, true);
}

bool Batcher::collect() {
  std::set<uint64_t> cancelled;
  bool stop;
  {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] {
      return stop_ || !arrivals_.empty() || !cancelled_.empty() || !waiting_.empty() ||
             !running_.empty();
    });
    if (waiting_.empty() && running_.empty()) shares_.clear();
    for (auto& [number, s] : arrivals_) s->owner = &shares_.arrives(s->request.owner);
    waiting_.merge(arrivals_);
    cancelled.swap(cancelled_);
    load_.waiting = std::ssize(waiting_);
    stop = stop_;
  }
  for (const uint64_t number : cancelled) finish(number, std::nullopt, true);
  return !stop;
}

void Batcher::report() {
  const std::lock_guard lock(mutex_);
  load_ = {.running = std::ssize(running_),
           .waiting = std::ssize(waiting_),
           .preemptions = preemptions_,
           .steps = steps_,
           .pages = cache_.usage()};
}

void Batcher::step() {
  std::vector<Row> rows;
  try {
    admit();
    make_room();
    report();
    const Batch batch = assemble(rows, guess());
    if (rows.empty()) return;
    const auto n_rows = std::ssize(batch.tokens), n_wanted = std::ssize(batch.wanted);
    const auto start = Clock::now();
    const Tensor logits = forward(batch, rows);
    ++steps_;
    advance(rows, logits);
    const double took = seconds(start, Clock::now());
    adapt(took, n_rows);
    if (n_rows == n_wanted) planner_.took(n_rows, took);
  } catch (const std::exception& e) {
    const Error failure = error("the step failed: {}", e.what());
    if (rows.empty()) {  // before anything was computed: whoever is here may be the reason
      for (const auto& s : running_) rows.push_back({s->number, s.get(), 0, {}});
      for (const auto& [number, s] : waiting_) rows.push_back({number, s.get(), 0, {}});
    }
    for (const Row& row : rows) finish(row.number, failure, false);
  }
}

// While there are rows left in the step and pages for the whole prompt, with one to spare for
// everyone running, who would otherwise be preempted at once.
void Batcher::admit() {
  int64_t pending = 0;
  for (const auto& s : running_) pending += s->pending();
  while (std::ssize(running_) < options_.max_running && pending < budget_) {
    const auto chosen = next();
    if (chosen == waiting_.end()) return;
    Sequence& s = *chosen->second;
    adopt(s);
    const int64_t spare = std::ssize(running_) * kKvPage;
    if (!cache_.fits(s.kv, s.size(), spare) || !cache_.reserve(s.kv, s.size())) {
      cache_.release(s.kv, s.tokens);
      if (s.generated().empty()) s.cached_tokens = 0;
      return;
    }
    if (!s.admitted) {
      s.admitted = Clock::now();
      s.owner->served += s.pending();
    }
    pending += s.pending();
    shares_.leaves(*s.owner);
    running_.push_back(std::move(chosen->second));
    waiting_.erase(chosen);
  }
}

// Of the owner who was served least, the first that came. Only those whose prefix is being computed
// let others pass: a step later they have it for nothing.
Batcher::Waiting::iterator Batcher::next() {
  auto best = waiting_.end();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    const Sequence& s = *it->second;
    if (best != waiting_.end() && s.owner->served >= best->second->owner->served) continue;
    if (s.request.hidden || !awaits_prefix(s)) best = it;
  }
  return best;
}

// Whether a running sequence will compute pages that this one begins with, or all of its prompt.
bool Batcher::awaits_prefix(const Sequence& s) const {
  return std::ranges::any_of(running_, [&](const auto& other) {
    if (other->pending() <= 1) return false;
    const int64_t shared = shared_tokens(s, *other), known = other->kv.length;
    return shared / kKvPage > known / kKvPage || (shared == s.size() - 1 && shared > known);
  });
}

// Takes over what is computed of a sequence's tokens, by anybody: keys and values, of which no
// hidden state can be told.
void Batcher::adopt(Sequence& s) {
  if (s.request.hidden) return;
  int64_t gained = cache_.adopt(s.kv, s.adoptable());
  for (const auto& other : running_) {
    if (other.get() != &s && other->kv.length > s.kv.length)
      gained += cache_.adopt_tail(s.kv, other->kv, shared_tokens(s, *other));
  }
  if (s.generated().empty()) s.cached_tokens += gained;
}

// A page for every running sequence that needs one; if there is none, the last admitted wait again.
// The first one always gets its page: alone it fits, as submit() has checked.
void Batcher::make_room() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (cache_.reserve((*it)->kv, (*it)->size())) {
      ++it;
      continue;
    }
    const bool itself = std::next(it) == running_.end();
    preempt_last();
    if (itself) return;
  }
}

void Batcher::preempt_last() {
  Sequence& s = *running_.back();
  cache_.release(s.kv, s.tokens);
  if (s.generated().empty()) s.cached_tokens = 0;
  if (speculator_) speculator_->forget(s.number);
  shares_.arrives(s.request.owner);
  waiting_.emplace(s.number, std::move(running_.back()));
  running_.pop_back();
  ++preemptions_;
}

// In the order of running_, while all of them decode: beside a prompt's chunk no row is free.
std::vector<Draft> Batcher::guess() {
  std::vector<Draft> drafts;
  if (!speculator_) return drafts;
  for (const auto& s : running_) {
    if (s->pending() != 1 || s->request.hidden) return {};
    Draft draft;
    draft.number = s->number;
    draft.tokens = s->tokens;
    draft.prompt = s->request.prompt;
    draft.sampling = &s->request.sampling;
    const int64_t room = options_.context - s->size() - 1;  // one more token is drawn in any case
    draft.most = std::clamp<int64_t>(room, 0, options_.longest_draft);
    speculator_->look(draft);
    drafts.push_back(std::move(draft));
  }
  if (!options_.draft_always) planner_.plan(drafts, std::ssize(drafts), budget_);
  for (size_t i = 0; i < drafts.size(); ++i) {
    Draft& draft = drafts[i];
    KvSequence& kv = running_[i]->kv;
    if (!cache_.reserve(kv, std::ssize(draft.tokens) + draft.most)) draft.most = 0;
    draft.pages = kv.pages;
  }
  const auto start = Clock::now();
  speculator_->propose(drafts, cache_.pages());
  int64_t proposed = 0;
  for (Draft& draft : drafts) {
    draft.most = std::min(draft.most, std::ssize(draft.ids));
    proposed += draft.most;
  }
  planner_.proposed(proposed, seconds(start, Clock::now()));
  return drafts;
}

Batch Batcher::assemble(std::vector<Row>& rows, std::vector<Draft> drafts) {
  const auto decodes =
      std::ranges::count_if(running_, [](const auto& s) { return s->pending() == 1; });
  int64_t left = std::max<int64_t>(budget_ - decodes,
                                   1);  // rows for prefill: at least one, so that it goes on
  Batch batch;
  for (const auto& s : running_) {
    if (s->pending() > 1) {  // another sequence may have computed our next pages since
      adopt(*s);
    }
    const int64_t count = s->pending() == 1 ? 1 : std::min(s->pending(), left);
    if (count == 0) continue;
    if (s->pending() > 1) left -= count;
    const auto first = static_cast<int32_t>(batch.tokens.size());
    const auto begin = s->tokens.begin() + s->kv.length;
    batch.tokens.insert(batch.tokens.end(), begin, begin + count);
    batch.parts.push_back({.first = first,
                           .count = static_cast<int32_t>(count),
                           .position = static_cast<int32_t>(s->kv.length),
                           .pages = s->kv.pages});
    rows.push_back({s->number, s.get(), count, {}});
    if (count < s->pending() || s->request.hidden) continue;
    batch.wanted.push_back(first + static_cast<int32_t>(count) - 1);
    if (drafts.empty()) continue;
    Row& row = rows.back();
    row.draft = std::move(drafts[rows.size() - 1]);
    for (const int32_t id : row.guessed()) {
      batch.wanted.push_back(static_cast<int32_t>(batch.tokens.size()));
      batch.tokens.push_back(id);
    }
    batch.parts.back().count += static_cast<int32_t>(row.draft.most);
  }
  return batch;
}

Tensor Batcher::forward(const Batch& batch, const std::vector<Row>& rows) {
  const bool watches = speculator_ && speculator_->watches();
  const bool tells =
      std::ranges::any_of(rows, [](const Row& row) { return row.sequence->request.hidden; });
  if (!watches && !tells) return model_.forward(ctx_, batch, cache_.pages());
  Tensor last;
  Tensor logits = model_.forward(ctx_, batch, cache_.pages(), {.last = &last});
  for (size_t i = 0; i < rows.size(); ++i) {
    const Request& request = rows[i].sequence->request;
    for (int32_t r = 0; request.hidden && r < batch.parts[i].count; ++r)
      request.sink->hidden(batch.parts[i].position + r, last.row(batch.parts[i].first + r));
  }
  if (!watches) return logits;
  std::vector<Watched> watched;
  for (size_t i = 0; i < rows.size(); ++i)
    watched.push_back({rows[i].number, rows[i].sequence->tokens, batch.parts[i]});
  speculator_->watch(watched, last, cache_.pages());
  return logits;
}

// Samples every position as if the guesses before it held: a draw counts where they did.
void Batcher::advance(std::vector<Row>& rows, const Tensor& logits) {
  struct Draw {
    const Row* row;
    int64_t position;
    size_t guessed;
  };
  std::vector<Draw> draws;     // in the order of the logits
  std::vector<uint64_t> told;  // sequences of which nothing is drawn
  for (Row& row : rows) {
    Sequence& s = *row.sequence;
    cache_.commit(s.kv, std::span(s.tokens).first(static_cast<size_t>(s.kv.length + row.count)));
    if (s.pending() > 0) continue;
    if (s.request.hidden) {
      told.push_back(row.number);
      continue;
    }
    for (int64_t i = 0; i <= row.draft.most; ++i)
      draws.push_back({&row, s.size() + i, static_cast<size_t>(i)});
    s.tokens.insert(s.tokens.end(), row.guessed().begin(), row.guessed().end());
    if (s.request.masked) row.masks.resize(row.guessed().size() + 1);
  }
  if (std::ranges::any_of(rows, [](const Row& r) { return !r.masks.empty(); })) {
    ctx_.parallel(std::ssize(rows), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        for (size_t n = 0; n < rows[i].masks.size(); ++n)
          rows[i].masks[n] = rows[i].sequence->request.sink->mask(rows[i].guessed().first(n));
    });
  }
  std::vector<std::optional<Sampled>> drawn(draws.size());
  ctx_.parallel(std::ssize(draws), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const auto& [owner, position, guessed] = draws[i];
      const TokenMask* mask = owner->masks.empty() ? nullptr : owner->masks[guessed].get();
      if (mask && nothing(*mask)) continue;
      const Request& request = owner->sequence->request;
      const auto row =
          logits.row(static_cast<int64_t>(i)).first(static_cast<size_t>(options_.vocab));
      const auto generated =
          owner->sequence->generated().first(static_cast<size_t>(position) - request.prompt.size());
      Sampled token = sample(row, request.sampling, request.prompt, generated, position,
                             request.n_top, ctx_.isa(), mask);
      if (token.numbers) drawn[i] = std::move(token);
    }
  });
  if (std::ranges::any_of(rows, [](const Row& r) { return r.sequence->request.exact_logprob; })) {
    std::vector<int32_t> ids;
    for (const auto& token : drawn) ids.push_back(token ? token->id : 0);
    const Tensor exact = log_probability(ctx_, logits, ids);
    for (size_t i = 0; i < drawn.size(); ++i) {
      if (drawn[i] && draws[i].row->sequence->request.exact_logprob) {
        drawn[i]->logprob = exact.data()[i];
      }
    }
  }
  for (size_t i = 0; i < draws.size();) {
    const Row& row = *draws[i].row;
    const auto n = static_cast<size_t>(row.draft.most) + 1;
    row.sequence->tokens.resize(row.sequence->tokens.size() - (n - 1));
    follow(row, std::ssize(rows), std::span(drawn).subspan(i, n));
    i += n;
  }
  for (const uint64_t number : told) finish(number, std::nullopt, false);
}

// Tells the sink what was drawn, and goes on for as long as the sequence does as guessed: those
// positions are computed.
void Batcher::follow(const Row& row, int64_t n_rows,
                     std::span<const std::optional<Sampled>> drawn) {
  Sequence& s = *row.sequence;
  const auto guessed = row.guessed();
  const auto first = s.tokens.size();
  s.drafted += row.draft.most;
  s.saved_seconds -= planner_.cost(row.draft);
  for (size_t held = 0; held < drawn.size();) {
    if (!drawn[held]) {
      const bool masked = !row.masks.empty() && row.masks[held] && nothing(*row.masks[held]);
      return finish(
          row.number,
          masked ? error("no token of the vocabulary can say what the grammar wants next")
                 : error("the logits at position {} are not numbers: the weights are damaged or "
                         "overflow; try --compute f32",
                         s.size() - 1),
          false);
    }
    const Fate fate = accept(s, *drawn[held]);
    if (fate == Fate::kEnded) return;
    if (fate == Fate::kRewritten) {
      if (speculator_) speculator_->forget(row.number);
      break;
    }
    const auto said = std::span<const int32_t>(s.tokens).subspan(first);
    const size_t known = std::exchange(held, said.size());
    planner_.learn(row.draft, known, said);
    if (held > guessed.size() || !std::equal(said.begin(), said.end(), guessed.begin())) break;
    cache_.commit(s.kv, s.tokens);
    s.accepted += static_cast<int64_t>(held - known);
    s.saved_seconds += static_cast<double>(held - known) * planner_.step_seconds(n_rows);
  }
  cache_.trim(s.kv);  // pages of guesses that did not hold
}

Batcher::Fate Batcher::accept(Sequence& s, const Sampled& token) {
  if (!s.first_token) s.first_token = Clock::now();
  s.owner->served += FairShare::kGenerated;
  try {
    const Sink::Next next = s.request.sink->take(token);
    R1_CHECK(next.drop >= 0 && next.drop <= std::ssize(s.generated()));
    if (next.drop > 0) {
      s.tokens.resize(s.tokens.size() - static_cast<size_t>(next.drop));
      cache_.truncate(s.kv, s.size());
    }
    s.tokens.insert(s.tokens.end(), next.append.begin(), next.append.end());
    if (!next.done) {
      R1_CHECK(!next.append.empty() && s.size() <= options_.context);
      return next.drop > 0 ? Fate::kRewritten : Fate::kExtended;
    }
    finish(s.number, std::nullopt, false);
  } catch (const std::exception& e) {
    finish(s.number, error("the request failed: {}", e.what()), false);
  }
  return Fate::kEnded;
}

void Batcher::finish(uint64_t number, std::optional<Error> failure, bool cancelled) {
  std::unique_ptr<Sequence> s;
  const auto it = std::ranges::find(running_, number, [](const auto& r) { return r->number; });
  if (it != running_.end()) {
    s = std::move(*it);
    running_.erase(it);
  } else if (auto node = waiting_.extract(number); !node.empty()) {
    s = std::move(node.mapped());
    shares_.leaves(*s->owner);
  } else {
    return;
  }
  cache_.release(s->kv, s->tokens);
  if (speculator_) speculator_->end(number, s->request.prompt, s->tokens);
  planner_.forget(number);
  const auto now = Clock::now();
  Sink::End end{.error = std::move(failure),
                .cancelled = cancelled,
                .cached_tokens = s->cached_tokens,
                .prefill_seconds = 0,
                .decode_seconds = 0,
                .drafted_tokens = s->drafted,
                .accepted_tokens = s->accepted,
                .plain_seconds = 0};
  if (s->admitted) end.prefill_seconds = seconds(*s->admitted, s->first_token.value_or(now));
  if (s->first_token) end.decode_seconds = seconds(*s->first_token, now);
  end.plain_seconds = std::max(end.decode_seconds + s->saved_seconds, 0.0);
  try {
    s->request.sink->end(end);
  } catch (const std::exception&) {  // a sink that cannot be told has nobody left to tell
  }
}

// Halves the rows of a step that took too long and doubles them while there is time: by law 1 only
// speed changes.
void Batcher::adapt(double took, int64_t n_rows) {
  if (options_.step_seconds <= 0) return;
  if (took > options_.step_seconds) {
    budget_ = std::max(budget_ / 2, std::min(kLeastBudget, options_.step_tokens));
  } else if (n_rows >= budget_ && took < options_.step_seconds / 2) {
    budget_ = std::min(budget_ * 2, options_.step_tokens);
  }
}

}  // namespace r1
