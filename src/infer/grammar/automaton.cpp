#include "infer/grammar/automaton.h"

#include <algorithm>
#include <unordered_set>

namespace r1 {
namespace {

constexpr int32_t kBottom = -1;
constexpr Automaton::State kUnknown = -2;
// Of grammars that can be read in so many ways at once some ways are left out.
constexpr size_t kMostVisits = 1 << 16;

}  // namespace

Automaton::Automaton(GrammarPtr grammar) : grammar_(std::move(grammar)) {}

int32_t Automaton::node(int32_t item, int32_t below) {
  const uint64_t key =
      static_cast<uint64_t>(static_cast<uint32_t>(item)) << 32 | static_cast<uint32_t>(below);
  const auto [it, fresh] = node_ids_.try_emplace(key, static_cast<int32_t>(nodes_.size()));
  if (fresh) nodes_.push_back({item, below});
  return it->second;
}

// Every byte that may come where `item` stands on the stack `below`.
void Automaton::open(int32_t first, int32_t first_below, Found& found) {
  std::vector<Node> todo = {{first, first_below}};
  std::unordered_set<int32_t> seen;
  for (size_t visits = 0; !todo.empty() && visits < kMostVisits; ++visits) {
    const auto [at, below] = todo.back();
    todo.pop_back();
    const Grammar::Item item = grammar_->items[static_cast<size_t>(at)];
    if (item.rule == Grammar::kEnd) {
      if (below == kBottom)
        found.accepts = true;
      else
        todo.push_back(nodes_[static_cast<size_t>(below)]);
      continue;
    }
    const int32_t here = node(at, below);
    if (!seen.insert(here).second) continue;
    if (item.rule == Grammar::kByte) {
      found.tops.push_back(here);
      continue;
    }
    // Where nothing follows the rule, its end is ours: loops need no stack.
    const bool last = grammar_->items[static_cast<size_t>(at) + 1].rule == Grammar::kEnd;
    const int32_t back = last ? below : node(at + 1, below);
    for (const int32_t begin : grammar_->rules[static_cast<size_t>(item.rule)])
      todo.push_back({begin, back});
  }
}

Automaton::State Automaton::intern(Found found) {
  std::ranges::sort(found.tops);
  found.tops.erase(std::unique(found.tops.begin(), found.tops.end()), found.tops.end());
  if (found.tops.empty() && !found.accepts) return kDead;
  const auto [it, fresh] = state_ids_.try_emplace(found, static_cast<State>(states_.size()));
  if (fresh) states_.push_back({std::move(found), nullptr});
  return it->second;
}

Automaton::State Automaton::begin(Grammar::Entry entry) {
  Found found;
  for (const int32_t first : grammar_->rules[static_cast<size_t>(grammar_->entries[entry])])
    open(first, kBottom, found);
  return intern(std::move(found));
}

Automaton::State Automaton::next(State state, uint8_t byte) {
  auto& table = states_[static_cast<size_t>(state)].next;
  if (!table) {
    table = std::make_unique<std::array<State, 256>>();
    table->fill(kUnknown);
  }
  const State known = (*table)[byte];
  if (known != kUnknown) return known;
  Found found;
  size_t low = 0, high = 255;  // of the bytes beside it that lead to the same
  const std::vector<int32_t>& tops = states_[static_cast<size_t>(state)].tops;
  for (const int32_t top : tops) {
    const auto [at, below] = nodes_[static_cast<size_t>(top)];
    const Grammar::Item item = grammar_->items[static_cast<size_t>(at)];
    if (byte < item.low) {
      high = std::min<size_t>(high, item.low - 1u);
    } else if (byte > item.high) {
      low = std::max<size_t>(low, item.high + 1u);
    } else {
      low = std::max<size_t>(low, item.low), high = std::min<size_t>(high, item.high);
      open(at + 1, below, found);
    }
  }
  const State to = intern(std::move(found));
  auto& row = *states_[static_cast<size_t>(state)].next;
  for (size_t b = low; b <= high; ++b) row[b] = to;
  return to;
}

const Automaton::Lead& Automaton::lead(State state) {
  if (const auto& known = states_[static_cast<size_t>(state)].lead) return *known;
  std::map<State, std::bitset<256>> leads;
  for (int b = 0; b < 256; ++b)
    if (const State to = next(state, static_cast<uint8_t>(b)); to != kDead)
      leads[to].set(static_cast<size_t>(b));
  auto found = std::make_unique<Lead>();
  for (const auto& [to, bytes] : leads)
    if (bytes.count() > found->bytes.count()) *found = {bytes, to};
  return *(states_[static_cast<size_t>(state)].lead = std::move(found));
}

bool Automaton::takes_all(State state, const std::bitset<256>& bytes, size_t length) {
  for (; length > 0; --length) {
    const Lead& most = lead(state);
    if ((bytes & ~most.bytes).any()) return false;
    if (most.to == state) return true;
    state = most.to;
  }
  return true;
}

Automaton::State Automaton::forget_others(State state) {
  const Found kept = states_[static_cast<size_t>(state)];
  const std::vector<Node> old = std::move(nodes_);
  nodes_.clear();
  node_ids_.clear();
  states_.clear();
  state_ids_.clear();
  // A stack from its bottom up.
  const auto move = [&](int32_t top) {
    std::vector<int32_t> items;
    for (int32_t n = top; n != kBottom; n = old[static_cast<size_t>(n)].below)
      items.push_back(old[static_cast<size_t>(n)].item);
    int32_t below = kBottom;
    for (size_t i = items.size(); i-- > 0;) below = node(items[i], below);
    return below;
  };
  Found found{.tops = {}, .accepts = kept.accepts};
  for (const int32_t top : kept.tops) found.tops.push_back(move(top));
  return intern(std::move(found));
}

}  // namespace r1
