// A grammar read byte by byte: the set of all places a text may have come to is one state, found
// once and remembered with where each byte leads (a pushdown automaton made deterministic lazily).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "infer/grammar/grammar.h"

namespace r1 {

class Automaton {
 public:
  using State = int32_t;
  static constexpr State kDead = -1;

  explicit Automaton(GrammarPtr grammar);

  State begin(Grammar::Entry entry);
  State next(State state, uint8_t byte);  // kDead: the byte is not allowed
  bool accepts(State state) const { return states_[static_cast<size_t>(state)].accepts; }
  // Whether all texts of up to `length` of these bytes are allowed; false where that is not easily
  // told.
  bool takes_all(State state, const std::bitset<256>& bytes, size_t length);
  bool can_go_on(State state) const { return !states_[static_cast<size_t>(state)].tops.empty(); }
  size_t states() const { return states_.size(); }
  // Forgets everything but this one, which gets a new number.
  State forget_others(State state);

 private:
  // What a place will come back to when its rule ends: an item, and below it the rest of the stack.
  struct Node {
    int32_t item;
    int32_t below;  // kBottom: nothing
  };
  struct Found {
    std::vector<int32_t> tops;  // nodes whose items are bytes, ascending
    bool accepts = false;
    auto operator<=>(const Found&) const = default;
  };
  struct Lead {  // of most bytes
    std::bitset<256> bytes;
    State to = kDead;
  };
  struct Known : Found {
    std::unique_ptr<std::array<State, 256>> next;
    std::unique_ptr<Lead> lead = nullptr;
  };

  int32_t node(int32_t item, int32_t below);
  void open(int32_t item, int32_t below, Found& found);
  State intern(Found found);
  const Lead& lead(State state);

  GrammarPtr grammar_;
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, int32_t> node_ids_;
  std::vector<Known> states_;
  std::map<Found, State> state_ids_;
};

}  // namespace r1
