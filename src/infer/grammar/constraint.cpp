#include "infer/grammar/constraint.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr size_t kMostStates = 1 << 14, kMostMasks = 256;
// Below a node: from so many nodes on it is quicker to ask for all of them, unless they are so
// deep.
constexpr uint32_t kBush = 8;
constexpr size_t kTallest = 24;

}  // namespace

TokenTree::TokenTree(int32_t n_ids, const Say& say) : size_(n_ids) {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < size_; ++id) {
    const std::string_view bytes = say(id);
    if (bytes.empty() || bytes.size() > UINT16_MAX) continue;
    ids.push_back(id);
    longest_ = std::max(longest_, bytes.size());
  }
  std::ranges::sort(ids, [&](int32_t a, int32_t b) {
    const std::string_view x = say(a), y = say(b);
    return x != y ? x < y : a < b;
  });
  std::vector<size_t> path;  // nodes of the last token
  std::string_view last;
  for (const int32_t id : ids) {
    const std::string_view bytes = say(id);
    const auto same = static_cast<size_t>(std::ranges::mismatch(last, bytes).in1 - last.begin());
    for (; path.size() > same; path.pop_back())
      nodes_[path.back()].end = static_cast<uint32_t>(nodes_.size());
    while (path.size() < bytes.size()) {
      const auto n = static_cast<uint32_t>(tokens_.size());
      path.push_back(nodes_.size());
      nodes_.push_back({.byte = static_cast<uint8_t>(bytes[path.size() - 1]),
                        .depth = static_cast<uint16_t>(path.size()),
                        .end = 0,
                        .tokens = {n, n},
                        .below = kBare});
    }
    tokens_.push_back(id);
    nodes_[path.back()].tokens[1] = static_cast<uint32_t>(tokens_.size());
    last = bytes;
  }
  for (const size_t n : path) nodes_[n].end = static_cast<uint32_t>(nodes_.size());
  find_bushes();
}

void TokenTree::find_bushes() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.end - i - 1 < kBush) continue;
    Bush bush;
    for (size_t below = i + 1; below < node.end; ++below) {
      bush.bytes.set(nodes_[below].byte);
      bush.height = std::max<size_t>(bush.height, nodes_[below].depth - size_t{node.depth});
    }
    if (bush.height > kTallest) continue;
    bush.tokens_end = static_cast<uint32_t>(tokens_.size());
    if (node.end < nodes_.size()) bush.tokens_end = nodes_[node.end].tokens[0];
    node.below = static_cast<uint32_t>(bushes_.size());
    bushes_.push_back(bush);
  }
}

Constraint::Constraint(GrammarPtr grammar, std::shared_ptr<const TokenTree> tree,
                       std::vector<int32_t> end_ids)
    : found_(std::make_shared<Found>(std::move(grammar))),
      tree_(std::move(tree)),
      end_ids_(std::move(end_ids)),
      state_(found_->automaton.begin(Grammar::kAtOnce)) {}

void Constraint::begin(Grammar::Entry entry) { state_ = found_->automaton.begin(entry); }

bool Constraint::take(std::string_view bytes) {
  Automaton::State state = state_;
  for (const char c : bytes) {
    state = found_->automaton.next(state, static_cast<uint8_t>(c));
    if (state == Automaton::kDead) return false;
  }
  state_ = state;
  return true;
}

bool Constraint::complete() const {
  return found_->automaton.accepts(state_) && !found_->automaton.can_go_on(state_);
}

std::shared_ptr<const TokenMask> Constraint::mask() {
  auto& known = found_->masks[state_];
  if (known) return known;
  Automaton& automaton = found_->automaton;
  auto mask = std::make_shared<TokenMask>((static_cast<size_t>(tree_->size()) + 63) / 64, 0);
  const auto allow = [&](int32_t id) {
    const auto i = static_cast<size_t>(id);
    if (i / 64 < mask->size()) (*mask)[i / 64] |= uint64_t{1} << (i % 64);
  };
  const auto nodes = tree_->nodes();
  const auto tokens = tree_->tokens();
  std::vector<Automaton::State> path(tree_->longest() + 1);
  path[0] = state_;
  for (size_t i = 0; i < nodes.size();) {
    const TokenTree::Node& node = nodes[i];
    const Automaton::State to = automaton.next(path[node.depth - 1u], node.byte);
    if (to == Automaton::kDead) {
      i = node.end;
      continue;
    }
    path[node.depth] = to;
    uint32_t end = node.tokens[1];
    i += 1;
    if (node.below != TokenTree::kBare) {
      const TokenTree::Bush& bush = tree_->bushes()[node.below];
      if (automaton.takes_all(to, bush.bytes, bush.height)) end = bush.tokens_end, i = node.end;
    }
    for (uint32_t t = node.tokens[0]; t < end; ++t) allow(tokens[t]);
  }
  if (automaton.accepts(state_))
    for (const int32_t id : end_ids_) allow(id);
  return known = std::move(mask);
}

void Constraint::tidy() {
  if (found_->automaton.states() < kMostStates && found_->masks.size() < kMostMasks) return;
  found_->masks.clear();
  state_ = found_->automaton.forget_others(state_);
}

}  // namespace r1
