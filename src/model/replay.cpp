#include "model/replay.h"

#include <algorithm>
#include <numeric>

#include "tensor/ops.h"

namespace r1 {
namespace {

Result<void> check_sequences(const Config& c, const std::vector<std::vector<int32_t>>& sequences,
                             int64_t greedy) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].empty()) return error("sequence {} is empty", i);
    if (const int64_t n = std::ssize(sequences[i]) + greedy; n > c.context_length) {
      return error("sequence {}: {} tokens, {} of them to be generated, and the context is {}", i,
                   n, greedy, c.context_length);
    }
    for (const int32_t id : sequences[i]) {
      if (id < 0 || id >= c.vocab_size) {
        return error("sequence {}: token {} is outside the vocabulary [0, {})", i, id,
                     c.vocab_size);
      }
    }
  }
  return {};
}

// A sequence on its way: what is in the cache and what comes next.
struct Timeline {
  std::vector<int32_t> ids, pages;
  int64_t done = 0;
};

// The batch of each timeline's next tokens, at most `chunk` of each; every row's logits are wanted.
Batch next_batch(const std::vector<Timeline>& timelines, int64_t chunk) {
  Batch batch;
  for (const Timeline& t : timelines) {
    const int64_t n = std::min(chunk, std::ssize(t.ids) - t.done);
    if (n == 0) continue;
    batch.parts.push_back({static_cast<int32_t>(batch.tokens.size()), static_cast<int32_t>(n),
                           static_cast<int32_t>(t.done), t.pages});
    batch.tokens.insert(batch.tokens.end(), t.ids.begin() + t.done, t.ids.begin() + t.done + n);
  }
  batch.wanted.resize(batch.tokens.size());
  std::iota(batch.wanted.begin(), batch.wanted.end(), 0);
  return batch;
}

void append(std::vector<float>& to, const Tensor& from, const SequenceRows& rows) {
  const float* begin = from.data() + rows.first * from.cols();
  to.insert(to.end(), begin, begin + rows.count * from.cols());
}

// The rows' part of what every layer chose for a batch of n_tokens.
void append_experts(std::vector<std::vector<int32_t>>& to,
                    const std::vector<std::vector<int32_t>>& from, const SequenceRows& rows,
                    int64_t n_tokens) {
  to.resize(from.size());
  for (size_t layer = 0; layer < from.size(); ++layer) {
    const int64_t n_used = std::ssize(from[layer]) / n_tokens;
    const auto begin = from[layer].begin() + rows.first * n_used;
    to[layer].insert(to[layer].end(), begin, begin + rows.count * n_used);
  }
}

// What each part's rows guess, as far as the token after them is given; `last` is of `batch`.
void add_drafts(const Model& model, Context& ctx, const Batch& batch, const Tensor& last,
                KvPages& kv, const std::vector<std::vector<int32_t>>& sequences,
                std::span<const size_t> sequence_of, std::vector<Replay>& replays) {
  Batch drafts;
  std::vector<int32_t> index;
  std::vector<size_t> owner;
  for (size_t p = 0; p < batch.parts.size(); ++p) {
    const SequenceRows& rows = batch.parts[p];
    const auto& ids = sequences[sequence_of[p]];
    const auto n =
        static_cast<int32_t>(std::min<int64_t>(rows.count, std::ssize(ids) - 1 - rows.position));
    if (n <= 0) continue;
    drafts.parts.push_back(
        {static_cast<int32_t>(drafts.tokens.size()), n, rows.position, rows.pages});
    owner.push_back(sequence_of[p]);
    for (int32_t i = 0; i < n; ++i) {
      drafts.tokens.push_back(ids[static_cast<size_t>(rows.position + i + 1)]);
      index.push_back(rows.first + i);
    }
  }
  if (drafts.tokens.empty()) return;
  drafts.wanted.resize(drafts.tokens.size());
  std::iota(drafts.wanted.begin(), drafts.wanted.end(), 0);
  const Tensor logits = model.draft(ctx, drafts, rows(ctx, last, index), kv);
  for (size_t p = 0; p < drafts.parts.size(); ++p)
    append(replays[owner[p]].mtp_logits, logits, drafts.parts[p]);
}

}  // namespace

Result<std::vector<Replay>> replay(const Model& model, Context& ctx,
                                   const std::vector<std::vector<int32_t>>& sequences,
                                   const ReplayOptions& options) {
  R1_DO(check_sequences(model.config(), sequences, options.greedy));
  if (options.mtp && !model.drafts())
    return error("this model has no layer that predicts the token after next");
  std::vector<Timeline> timelines;
  int32_t n_pages = 0;
  int64_t total = 0, done = 0;
  for (const auto& ids : sequences) {
    const int64_t n = (std::ssize(ids) + options.greedy + kKvPage - 1) / kKvPage;
    std::vector<int32_t> pages(static_cast<size_t>(n));
    std::iota(pages.begin(), pages.end(), n_pages);
    n_pages += static_cast<int32_t>(n);
    total += std::ssize(ids) + std::max<int64_t>(0, options.greedy - 1);
    timelines.push_back({ids, std::move(pages)});
  }
  R1_TRY(KvPages kv, KvPages::create(model.kv_shape(options.kv_dtype), n_pages));

  std::vector<Replay> replays(sequences.size());
  std::vector<Tensor> hidden;
  std::vector<std::vector<int32_t>> experts;
  Tensor last_hidden;
  Trace trace;
  if (options.hidden) trace.hidden = &hidden;
  if (options.experts) trace.experts = &experts;
  if (options.mtp) trace.last = &last_hidden;
  for (;;) {
    const Batch batch = next_batch(timelines, options.chunk);
    if (batch.tokens.empty()) return replays;
    std::vector<size_t> sequence_of;  // of each part
    for (size_t i = 0; i < timelines.size(); ++i) {
      if (timelines[i].done < std::ssize(timelines[i].ids)) sequence_of.push_back(i);
    }
    const Tensor logits = model.forward(ctx, batch, kv, trace);
    if (options.mtp)
      add_drafts(model, ctx, batch, last_hidden, kv, sequences, sequence_of, replays);
    for (size_t part = 0; part < batch.parts.size(); ++part) {
      const size_t i = sequence_of[part];
      Timeline& t = timelines[i];
      const SequenceRows& rows = batch.parts[part];
      const bool given = t.done < std::ssize(sequences[i]);
      if (given) append(replays[i].logits, logits, rows);
      if (given && options.hidden) {
        replays[i].hidden.resize(hidden.size());
        for (size_t j = 0; j < hidden.size(); ++j) append(replays[i].hidden[j], hidden[j], rows);
      }
      if (given) append_experts(replays[i].experts, experts, rows, std::ssize(batch.tokens));
      t.done += rows.count;
      done += rows.count;
      if (t.done < std::ssize(t.ids) || std::ssize(replays[i].greedy) == options.greedy) continue;
      const auto last = logits.row(rows.first + rows.count - 1);
      const auto id = static_cast<int32_t>(std::ranges::max_element(last) - last.begin());
      replays[i].greedy.push_back(id);
      if (std::ssize(replays[i].greedy) < options.greedy) t.ids.push_back(id);
    }
    if (options.progress) options.progress(done, total);
  }
}

}  // namespace r1
