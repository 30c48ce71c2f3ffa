#include "model/replay.h"

#include <algorithm>
#include <numeric>

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

}  // namespace

Result<std::vector<Replay>> replay(const Model& model, Context& ctx,
                                   const std::vector<std::vector<int32_t>>& sequences,
                                   const ReplayOptions& options) {
  R1_DO(check_sequences(model.config(), sequences, options.greedy));
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
  for (;;) {
    const Batch batch = next_batch(timelines, options.chunk);
    if (batch.tokens.empty()) return replays;
    const Tensor logits =
        model.forward(ctx, batch, kv, {.hidden = options.hidden ? &hidden : nullptr});
    size_t part = 0;
    for (size_t i = 0; i < timelines.size(); ++i) {
      Timeline& t = timelines[i];
      if (t.done == std::ssize(t.ids)) continue;
      const SequenceRows& rows = batch.parts[part++];
      const bool given = t.done < std::ssize(sequences[i]);
      if (given) append(replays[i].logits, logits, rows);
      if (given && options.hidden) {
        replays[i].hidden.resize(hidden.size());
        for (size_t j = 0; j < hidden.size(); ++j) append(replays[i].hidden[j], hidden[j], rows);
      }
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
