#include "infer/draft_model.h"

#include <algorithm>

#include "infer/vocab_spec.h"
#include "tensor/context.h"

namespace r1 {
namespace {

constexpr int kGrade = 5;           // there is but one kind of guess
constexpr int64_t kMostRows = 512;  // to catch up with a sequence before a step of the large model

}  // namespace

Result<void> check_same_vocabulary(const Tokenizer* large, int64_t large_size,
                                   const Tokenizer* small, int64_t small_size) {
  if (!large != !small)
    return error("{} has no tokenizer, so nothing says that its ids mean the same",
                 large ? "it" : "the model it is to draft for");
  const int64_t a = large ? large->size() : large_size, b = small ? small->size() : small_size;
  if (a != b)
    return error(
        "its vocabulary has {} tokens, that of the model it is to draft for {}: they must be the "
        "same",
        b, a);
  for (int32_t id = 0; large && id < large->size(); ++id) {
    if (large->bytes(id) != small->bytes(id) || large->kind(id) != small->kind(id))
      return error(
          "its token {} is '{}', that of the model it is to draft for '{}': they must be the same",
          id, small->bytes(id), large->bytes(id));
  }
  return {};
}

Result<std::unique_ptr<Model>> load_draft(const std::string& path, Compute compute,
                                          const Model& large, const Tokenizer* tokenizer,
                                          Context& ctx) {
  R1_TRY(const WeightFile file, WeightFile::open(path));
  const auto load = [&]() -> Result<std::unique_ptr<Model>> {
    R1_TRY(const auto own, find_tokenizer(file));
    R1_TRY(auto model, Model::load(file, {.compute = compute, .progress = {}}, ctx));
    R1_DO(check_same_vocabulary(tokenizer, large.config().vocab_size, own ? &*own : nullptr,
                                model->config().vocab_size));
    return model;
  };
  auto model = load();
  if (!model) return std::move(model).error().in(fmt::format("cannot draft with {}", path));
  return model;
}

void DraftModel::look(Draft& draft) {
  draft.grade = kGrade;
  const int64_t room = model_->config().context_length - std::ssize(draft.tokens);
  draft.most = std::clamp<int64_t>(room, 0, draft.most);
}

void DraftModel::forget(uint64_t number) {
  const auto it = sequences_.find(number);
  if (it == sequences_.end()) return;
  cache_.release(it->second.kv, it->second.tokens);
  sequences_.erase(it);
}

void DraftModel::end(uint64_t number, std::span<const int32_t>, std::span<const int32_t>) {
  forget(number);
}

// What became true of the last guess is computed already. False: there are no pages.
bool DraftModel::prepare(const Draft& draft, Sequence& s) {
  const auto known = draft.tokens.first(draft.tokens.size() - 1);  // the last is to be computed
  const auto fresh = known.subspan(s.tokens.size());
  const auto held =
      std::mismatch(fresh.begin(), fresh.end(), s.guess.begin(), s.guess.end()).first -
      fresh.begin();
  s.guess.clear();
  cache_.commit(s.kv, known.first(s.tokens.size() + static_cast<size_t>(held)));
  cache_.adopt(s.kv, known);
  s.tokens.assign(known.begin(), known.begin() + s.kv.length);
  return cache_.reserve(s.kv, std::ssize(draft.tokens) + draft.most);
}

void DraftModel::propose(std::span<Draft> drafts, KvPages&) {
  Batch batch;
  std::vector<Draft*> asking;
  const auto add = [&](const Sequence& s, std::span<const int32_t> ids, int64_t position) {
    batch.parts.push_back({.first = static_cast<int32_t>(batch.tokens.size()),
                           .count = static_cast<int32_t>(ids.size()),
                           .position = static_cast<int32_t>(position),
                           .pages = s.kv.pages});
    batch.tokens.insert(batch.tokens.end(), ids.begin(), ids.end());
  };
  const auto want = [&](Draft& d) {
    batch.wanted.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
    asking.push_back(&d);
  };
  // First what was said since. A sequence that was far ahead has its guess in the next step: so
  // what proposing costs is known without what catching up does.
  for (Draft& d : drafts) {
    const int64_t left = kMostRows - std::ssize(batch.tokens);
    if (d.most == 0 || left == 0) continue;
    Sequence& s = sequences_[d.number];
    if (!prepare(d, s)) continue;
    const auto behind = d.tokens.subspan(s.tokens.size());
    const auto now = behind.first(std::min(behind.size(), static_cast<size_t>(left)));
    add(s, now, s.kv.length);
    s.tokens.insert(s.tokens.end(), now.begin(), now.end());
    if (now.size() == behind.size() && std::ssize(now) <= kLongestDraft + 1) want(d);
  }
  // Then an id of each at a time, from the one before it.
  while (!batch.tokens.empty()) {
    draw_guesses(ctx_, model_->forward(ctx_, batch, cache_.pages()), vocab_, asking);
    batch = {}, asking.clear();
    for (Draft& d : drafts) {
      if (d.most == 0) continue;
      Sequence& s = sequences_[d.number];
      cache_.commit(s.kv, s.tokens);
      if (d.ids.empty() || std::ssize(d.ids) == d.most) continue;
      add(s, std::span<const int32_t>(d.ids).last(1), s.kv.length + std::ssize(d.ids) - 1);
      s.guess.push_back(d.ids.back());
      want(d);
    }
  }
}

}  // namespace r1
