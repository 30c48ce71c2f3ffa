#include "infer/lookup.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace r1 {
namespace {

constexpr int kMostTried = 16;          // candidates of a chain
constexpr int32_t kBetween = -1;        // stands between two sequences: no token is like it
constexpr size_t kFirstHeads = 1 << 8;  // a power of two

uint32_t hash(const int32_t* last) {
  uint32_t h = 0;
  for (int64_t i = 1 - TokenHistory::kShortest; i <= 0; ++i)
    h = (h ^ static_cast<uint32_t>(last[i])) * 0x9E3779B1u;
  return h ^ h >> 15;
}

// Grades by the length of a match: 3, 4, 5, 6-7, 8-11, 12-19, 20-31, more.
int grade(int64_t length) {
  constexpr int64_t kSteps[] = {4, 5, 6, 8, 12, 20, TokenHistory::kLongest};
  static_assert(std::size(kSteps) + 1 == kDraftGrades);
  return static_cast<int>(std::upper_bound(std::begin(kSteps), std::end(kSteps), length) - kSteps);
}

}  // namespace

TokenHistory::TokenHistory(int64_t tokens)
    : tokens_(static_cast<size_t>(tokens)),
      heads_(tokens > 0 ? std::bit_ceil(static_cast<size_t>(tokens)) : 0),
      links_(static_cast<size_t>(tokens) + 1) {
  clear();
}

void TokenHistory::append(std::span<const int32_t> tokens) {
  const int64_t before = size();
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  links_.resize(tokens_.size() + 1);
  int64_t from = before + 1;
  if (tokens_.size() > heads_.size()) {
    size_t n = std::max(heads_.size(), kFirstHeads);
    while (n < tokens_.size()) n *= 2;
    heads_.assign(n, 0);
    from = kShortest;
  }
  for (int64_t end = std::max(from, kShortest); end <= size(); ++end) {
    const size_t at = hash(&tokens_[static_cast<size_t>(end - 1)]) & (heads_.size() - 1);
    links_[static_cast<size_t>(end)] = std::exchange(heads_[at], static_cast<int32_t>(end));
  }
}

void TokenHistory::clear() {
  tokens_.clear();
  links_.clear();
  std::ranges::fill(heads_, 0);
}

TokenHistory::Match TokenHistory::find(std::span<const int32_t> tokens) const {
  Match best;
  if (std::ssize(tokens) < kShortest || heads_.empty()) return best;
  int64_t end = heads_[hash(&tokens.back()) & (heads_.size() - 1)];
  for (int tried = 0; end > 0 && tried < kMostTried && best.length < kLongest; ++tried) {
    const int64_t most = std::min({end, std::ssize(tokens), kLongest});
    int64_t length = 0;
    while (length < most && tokens_[static_cast<size_t>(end - 1 - length)] ==
                                tokens[tokens.size() - 1 - static_cast<size_t>(length)])
      ++length;
    // At the very end nothing has followed yet.
    if (end < size() && length >= kShortest && length > best.length) best = {length, end};
    end = links_[static_cast<size_t>(end)];
  }
  return best;
}

void Lookup::look(Draft& draft) {
  TokenHistory& own = own_[draft.number];
  own.append(draft.tokens.subspan(static_cast<size_t>(own.size())));
  const TokenHistory* source = &own;
  TokenHistory::Match match = own.find(draft.tokens);
  for (const TokenHistory* other : {&recent_, &older_}) {
    const auto found = other->find(draft.tokens);
    if (found.length > match.length) match = found, source = other;
  }
  if (match.length > 0) {
    draft.grade = grade(match.length);
    for (int64_t i = match.next; std::ssize(draft.ids) < draft.most; ++i) {
      // Behind its own end the text is the guess itself: so loops go on.
      const int64_t beyond = i - source->size();
      if (beyond >= 0 && source != &own) break;
      const int32_t id = beyond < 0 ? (*source)[i] : draft.ids[static_cast<size_t>(beyond)];
      if (id == kBetween) break;
      draft.ids.push_back(id);
    }
  }
  draft.most = std::ssize(draft.ids);
}

void Lookup::end(uint64_t number, std::span<const int32_t> prompt,
                 std::span<const int32_t> tokens) {
  own_.erase(number);
  if (shared_ == 0 || tokens.size() <= prompt.size()) return;
  // With the end of the prompt, behind which the first of them stand.
  const auto before = std::min(prompt.size(), static_cast<size_t>(TokenHistory::kShortest));
  const auto said = tokens.subspan(prompt.size() - before);
  if (recent_.size() + std::ssize(said) >= shared_ / 2) {
    std::swap(older_, recent_);
    recent_.clear();
  }
  recent_.append(said);
  recent_.append({&kBetween, 1});
}

}  // namespace r1
