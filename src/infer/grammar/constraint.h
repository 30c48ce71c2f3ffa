// Which tokens may come next where an answer keeps to a grammar: the vocabulary as a tree of bytes,
// walked beside the grammar's automaton, so that tokens that begin alike are tried together, or at
// once where every text of their bytes is allowed; what a state allows is remembered. A function of
// the answer's text alone (law 1).
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "infer/grammar/automaton.h"
#include "infer/grammar/token_mask.h"

namespace r1 {

// The tokens by the bytes of an answer that they say.
class TokenTree {
 public:
  using Say = std::function<std::string_view(int32_t id)>;  // "": it says nothing, and never comes
  TokenTree(int32_t n_ids, const Say& say);

  struct Node {
    uint8_t byte;
    uint16_t depth;      // 1: the first byte
    uint32_t end;        // the node after all below this one
    uint32_t tokens[2];  // in tokens(), those that end here: from, to
    uint32_t below;      // in bushes(), what stands below; kBare: little
  };
  static constexpr uint32_t kBare = UINT32_MAX;
  struct Bush {
    std::bitset<256> bytes;  // all that occur in it
    size_t height = 0;
    uint32_t tokens_end = 0;  // its tokens follow those of the node
  };
  std::span<const Node> nodes() const { return nodes_; }  // each before those below it
  std::span<const int32_t> tokens() const { return tokens_; }
  std::span<const Bush> bushes() const { return bushes_; }
  int32_t size() const { return size_; }  // ids
  size_t longest() const { return longest_; }

 private:
  void find_bushes();

  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_;
  std::vector<Bush> bushes_;
  int32_t size_;
  size_t longest_ = 0;
};

// The place of one answer in its grammar. A copy goes its own way and shares what was found.
class Constraint {
 public:
  // end_ids: what ends a turn, allowed where the text may end.
  Constraint(GrammarPtr grammar, std::shared_ptr<const TokenTree> tree,
             std::vector<int32_t> end_ids);

  void begin(Grammar::Entry entry);
  bool take(std::string_view bytes);  // false: they are not allowed here, and nothing changed
  bool complete() const;              // the text may end here, and nothing may follow
  // No bit is set where the vocabulary cannot spell what must come.
  std::shared_ptr<const TokenMask> mask();
  // Gives up what was found where it has become too much; other copies must not be used again.
  void tidy();

 private:
  struct Found {
    explicit Found(GrammarPtr grammar) : automaton(std::move(grammar)) {}
    Automaton automaton;
    std::map<Automaton::State, std::shared_ptr<const TokenMask>> masks;
  };

  std::shared_ptr<Found> found_;
  std::shared_ptr<const TokenTree> tree_;
  std::vector<int32_t> end_ids_;
  Automaton::State state_;
};

}  // namespace r1
