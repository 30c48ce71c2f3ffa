// Makes a Grammar out of sequences of items.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/grammar/char_set.h"
#include "infer/grammar/grammar.h"

namespace r1 {

class GrammarBuilder {
 public:
  using Sequence = std::vector<Grammar::Item>;  // one after the other; empty: the empty text
  static constexpr int kMostRepeats = 1 << 16;

  int32_t declare(std::string name = "");  // a rule to be defined; the name is for errors
  void define(int32_t rule, std::vector<Sequence> alternatives);
  static Sequence reference(int32_t rule) { return {{.rule = rule}}; }

  static Sequence literal(std::string_view bytes);
  Sequence characters(const CharSet& set);  // one of them
  Sequence any_of(std::vector<Sequence> alternatives);
  Sequence optional(Sequence part) { return any_of({std::move(part), {}}); }
  // most < 0: without end. Counts are at most kMostRepeats.
  Sequence repeat(const Sequence& part, int least, int most);
  static Sequence join(std::initializer_list<Sequence> parts);

  // Refuses grammars that are too large, that no finite text keeps to, and left recursion.
  // Alternatives that never end are dropped: whatever has begun can be ended.
  Result<GrammarPtr> build(const Sequence& root);

 private:
  struct Rule {
    std::string name;
    std::vector<Sequence> alternatives;
  };

  std::vector<bool> closed(bool bytes_count) const;
  void drop_endless();
  std::optional<std::string> left_recursive() const;
  Sequence single(Sequence part);

  std::vector<Rule> rules_;
  size_t n_items_ = 0;
};

}  // namespace r1
