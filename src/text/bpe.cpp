#include "text/bpe.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <queue>

#include "text/unicode.h"

namespace r1 {
namespace {

constexpr size_t kShort = 32;  // symbols up to which a scan beats a heap
constexpr uint32_t kEnd = UINT32_MAX;

// Scans for the lowest rank each time: O(n^2), in registers and one cache line or two.
size_t merge_short(const Merges& merges, int32_t* ids, size_t n) {
  Merge next[kShort];  // next[i]: the rule for ids[i], ids[i + 1]
  for (size_t i = 0; i + 1 < n; ++i) next[i] = merges.find(ids[i], ids[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (next[i].rank < next[best].rank) best = i;
    }
    if (next[best].rank == Merge::kNever) break;
    ids[best] = next[best].id;
    --n;
    for (size_t i = best + 1; i < n; ++i) ids[i] = ids[i + 1];
    for (size_t i = best; i + 1 < n; ++i) next[i] = next[i + 1];
    if (best > 0) next[best - 1] = merges.find(ids[best - 1], ids[best]);
    if (best + 1 < n) next[best] = merges.find(ids[best], ids[best + 1]);
  }
  return n;
}

// Pairs that may merge, as rank << 32 | position, the lowest first: those of the beginning sorted
// once, those that merges make in a heap.
class Queue {
 public:
  explicit Queue(std::vector<uint64_t> first) : first_(std::move(first)) {
    std::sort(first_.begin(), first_.end());
  }
  void push(uint64_t entry) { later_.push(entry); }
  std::optional<uint64_t> pop() {
    if (at_ < first_.size() && (later_.empty() || first_[at_] < later_.top())) return first_[at_++];
    if (later_.empty()) return std::nullopt;
    const uint64_t top = later_.top();
    later_.pop();
    return top;
  }

 private:
  std::vector<uint64_t> first_;
  size_t at_ = 0;
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> later_;
};

// The queue over a linked list. An entry is stale, and dropped, if the pair that now starts at its
// position has another rank.
size_t merge_long(const Merges& merges, int32_t* ids, size_t n) {
  struct Node {
    int32_t id;
    uint32_t previous, next;
    Merge merge;  // the rule for this node and the next
  };
  std::vector<Node> nodes(n);
  std::vector<uint64_t> first;
  first.reserve(n);
  for (uint32_t i = 0; i < n; ++i) {
    const bool last = i + 1 == n;
    nodes[i] = {ids[i], i == 0 ? kEnd : i - 1, last ? kEnd : i + 1,
                last ? Merge{} : merges.find(ids[i], ids[i + 1])};
    if (nodes[i].merge.rank != Merge::kNever) {
      first.push_back(uint64_t{nodes[i].merge.rank} << 32 | i);
    }
  }
  Queue queue(std::move(first));
  const auto pair_up = [&](uint32_t at) {
    Node& node = nodes[at];
    node.merge = node.next == kEnd ? Merge{} : merges.find(node.id, nodes[node.next].id);
    if (node.merge.rank != Merge::kNever) queue.push(uint64_t{node.merge.rank} << 32 | at);
  };
  while (const auto entry = queue.pop()) {
    const auto at = static_cast<uint32_t>(*entry);
    const auto rank = static_cast<uint32_t>(*entry >> 32);
    Node& node = nodes[at];
    if (node.merge.rank != rank) continue;
    node.id = node.merge.id;
    Node& eaten = nodes[node.next];
    eaten.merge = Merge{};
    node.next = eaten.next;
    if (node.next != kEnd) nodes[node.next].previous = at;
    pair_up(at);
    if (node.previous != kEnd) pair_up(node.previous);
  }
  size_t count = 0;
  for (uint32_t at = 0; at != kEnd; at = nodes[at].next) ids[count++] = nodes[at].id;
  return count;
}

}  // namespace

Bpe::Bpe(Vocab vocab, Merges merges, Alphabet alphabet, const std::vector<bool>& emittable,
         bool ignore_merges)
    : vocab_(std::move(vocab)),
      merges_(std::move(merges)),
      alphabet_(std::move(alphabet)),
      stand_in_texts_(alphabet_.stand_ins.size()),
      whole_(std::make_unique<std::atomic<Whole>[]>(vocab_.size())) {
  for (const auto& [text, id] : alphabet_.stand_ins) {
    stand_in_texts_[static_cast<size_t>(id) - vocab_.size()] = text;
  }
  for (size_t id = 0; id < vocab_.size(); ++id) {
    whole_[id] = !emittable[id] ? Whole::kForbidden : ignore_merges ? Whole::kYes : Whole::kUnasked;
  }
}

void Bpe::encode(std::string_view piece, std::vector<int32_t>& out) const {
  const int32_t id = piece.size() <= vocab_.longest() ? vocab_.find(piece) : Vocab::kAbsent;
  if (id == Vocab::kAbsent) return merge_and_append(piece, out);
  std::atomic<Whole>& whole = whole_[static_cast<size_t>(id)];
  const Whole known = whole.load(std::memory_order_relaxed);
  if (known == Whole::kYes) return out.push_back(id);
  const size_t before = out.size();
  merge_and_append(piece, out);
  if (known == Whole::kUnasked) {
    const bool itself = out.size() == before + 1 && out.back() == id;
    whole.store(itself ? Whole::kYes : Whole::kNo, std::memory_order_relaxed);
  }
}

// Works in place at the end of `out`: a piece costs no allocation of its own.
void Bpe::merge_and_append(std::string_view piece, std::vector<int32_t>& out) const {
  const size_t begin = out.size();
  append_symbols(piece, out);
  int32_t* const symbols = out.data() + begin;
  const size_t n = out.size() - begin;
  out.resize(begin +
             (n <= kShort ? merge_short(merges_, symbols, n) : merge_long(merges_, symbols, n)));
  if (!alphabet_.stand_ins.empty()) spell_stand_ins(out, begin);
}

void Bpe::spell_stand_ins(std::vector<int32_t>& out, size_t begin) const {
  const std::vector<int32_t> symbols(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end());
  out.resize(begin);
  for (const int32_t symbol : symbols) {
    const auto index = static_cast<size_t>(symbol);
    if (index < vocab_.size()) {
      out.push_back(symbol);
    } else {
      append_unknown(stand_in_texts_[index - vocab_.size()], out, begin);
    }
  }
}

void Bpe::append_symbols(std::string_view piece, std::vector<int32_t>& out) const {
  const size_t begin = out.size();
  for (size_t at = 0; at < piece.size();) {
    size_t length = 1;
    int32_t id = Vocab::kAbsent;
    if (alphabet_.kind == Alphabet::Kind::kBytes) {
      id = alphabet_.bytes[static_cast<unsigned char>(piece[at])];
    } else {
      length = decode_char(piece, at).length;
      id = vocab_.find(piece.substr(at, length));
      if (id == Vocab::kAbsent && !alphabet_.stand_ins.empty()) {
        const auto found = alphabet_.stand_ins.find(std::string(piece.substr(at, length)));
        if (found != alphabet_.stand_ins.end()) id = found->second;
      }
    }
    if (id != Vocab::kAbsent) {
      out.push_back(id);
    } else {
      append_unknown(piece.substr(at, length), out, begin);
    }
    at += length;
  }
}

void Bpe::append_unknown(std::string_view character, std::vector<int32_t>& out,
                         size_t begin) const {
  const auto token = [&](char c) { return alphabet_.bytes[static_cast<unsigned char>(c)]; };
  if (alphabet_.byte_fallback && std::all_of(character.begin(), character.end(),
                                             [&](char c) { return token(c) != Vocab::kAbsent; })) {
    for (const char c : character) out.push_back(token(c));
  } else if (alphabet_.unk != Vocab::kAbsent) {
    const bool fused = alphabet_.fuse_unk && out.size() > begin && out.back() == alphabet_.unk;
    if (!fused) out.push_back(alphabet_.unk);
  }
}

}  // namespace r1
