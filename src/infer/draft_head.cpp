#include "infer/draft_head.h"

#include <algorithm>
#include <limits>

#include "tensor/context.h"

namespace r1 {
namespace {

constexpr int kGrade = 5;           // there is but one kind of guess
constexpr int64_t kPatience = 256;  // positions that may wait for a guess to be asked for
constexpr int64_t kGivesUp = 192;   // steps without one: then a shallow model's sequence has none
constexpr int64_t kDeepModel = 32;  // layers: to keep up with one more costs less than 3 %

}  // namespace

// Rows of one forward of the layer.
struct DraftHead::Feed {
  Batch batch;
  std::vector<float> hidden;

  // tokens: those behind the positions.
  void add(int64_t position, std::span<const int32_t> tokens, std::span<const float> known,
           std::span<const int32_t> pages) {
    batch.parts.push_back({.first = static_cast<int32_t>(batch.tokens.size()),
                           .count = static_cast<int32_t>(tokens.size()),
                           .position = static_cast<int32_t>(position),
                           .pages = pages});
    batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
    hidden.insert(hidden.end(), known.begin(), known.end());
  }
  void want() { batch.wanted.push_back(static_cast<int32_t>(batch.tokens.size()) - 1); }
  Tensor run(const Model& model, Context& ctx, KvPages& kv, Tensor* next) const {
    Tensor h = ctx.tensor(std::ssize(batch.tokens), model.config().dim);  // h [T, dim]
    std::copy(hidden.begin(), hidden.end(), h.data());
    return model.draft(ctx, batch, h, kv, next);
  }
};

DraftHead::DraftHead(const Model& model, Context& ctx, int32_t vocab)
    : model_(model),
      ctx_(ctx),
      vocab_(vocab),
      most_idle_(model.config().n_layers < kDeepModel ? kGivesUp
                                                      : std::numeric_limits<int64_t>::max()) {}

void DraftHead::look(Draft& draft) {
  draft.grade = kGrade;
  const auto it = sequences_.find(draft.number);
  if (it != sequences_.end() && it->second.idle > most_idle_) draft.most = 0;
}

void DraftHead::watch(std::span<const Watched> parts, const Tensor& last, KvPages& kv) {
  const auto dim = static_cast<size_t>(last.cols());
  Feed feed;
  for (const auto& [number, tokens, rows] : parts) {
    Unseen& s = sequences_[number];
    if (++s.idle > most_idle_) {
      s.hidden = {};
      continue;
    }
    if (rows.position > s.end || rows.position < s.first)
      s = {rows.position, rows.position, s.idle, {}};
    s.hidden.resize(static_cast<size_t>(rows.position - s.first) *
                    dim);  // guesses that did not hold
    const auto fresh =
        std::span<const float>(last.data(), static_cast<size_t>(last.size()))
            .subspan(static_cast<size_t>(rows.first) * dim, static_cast<size_t>(rows.count) * dim);
    s.hidden.insert(s.hidden.end(), fresh.begin(), fresh.end());
    s.end = rows.position + rows.count;
    // The layer reads the token behind a position, too.
    const int64_t ready = std::min(s.end, std::ssize(tokens) - 1) - s.first;
    if (ready < kPatience) continue;
    const auto n = static_cast<size_t>(ready);
    feed.add(s.first, tokens.subspan(static_cast<size_t>(s.first) + 1, n),
             std::span(s.hidden).first(n * dim), rows.pages);
    s.hidden.erase(s.hidden.begin(), s.hidden.begin() + static_cast<std::ptrdiff_t>(n * dim));
    s.first += ready;
  }
  if (!feed.batch.tokens.empty()) feed.run(model_, ctx_, kv, nullptr);
}

// A sequence of which much waits has its guess in the next step: so what proposing costs is known
// without what catching up does.
void DraftHead::propose(std::span<Draft> drafts, KvPages& kv) {
  const auto dim = static_cast<size_t>(model_.config().dim);
  std::vector<Draft*> asking;
  Feed feed;
  for (Draft& d : drafts) {
    if (d.most == 0) continue;
    Unseen& s = sequences_[d.number];
    const int64_t end = std::ssize(d.tokens) - 1;  // the last token is not computed yet
    if (s.end < end || s.first >= end) continue;
    const auto n = static_cast<size_t>(end - s.first);
    feed.add(s.first, d.tokens.last(n), std::span(s.hidden).first(n * dim), d.pages);
    s = {end, end, 0, {}};
    if (static_cast<int64_t>(n) > kLongestDraft + 1) continue;
    feed.want();
    asking.push_back(&d);
  }
  if (asking.empty() && !feed.batch.tokens.empty()) feed.run(model_, ctx_, kv, nullptr);
  while (!asking.empty()) {
    Tensor next;
    const Tensor logits = feed.run(model_, ctx_, kv, &next);
    draw_guesses(ctx_, logits, vocab_, asking);
    Feed behind;
    std::vector<Draft*> going_on;
    for (size_t i = 0; i < asking.size(); ++i) {
      Draft& d = *asking[i];
      if (std::ssize(d.ids) == d.most) continue;
      behind.add(std::ssize(d.tokens) - 2 + std::ssize(d.ids),
                 std::span<const int32_t>(d.ids).last(1), next.row(feed.batch.wanted[i]), d.pages);
      behind.want();
      going_on.push_back(&d);
    }
    feed = std::move(behind);
    asking = std::move(going_on);
  }
}

}  // namespace r1
