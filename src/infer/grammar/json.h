// The parts of JSON as sequences of a grammar.
#pragma once

#include <optional>

#include "infer/grammar/builder.h"

namespace r1 {

class JsonGrammar {
 public:
  using Sequence = GrammarBuilder::Sequence;
  explicit JsonGrammar(GrammarBuilder& builder);

  Sequence space() const { return space_; }  // none, one, or a new line and its indentation
  Sequence value() const { return value_; }  // any
  Sequence object() const { return object_; }
  Sequence array() const { return array_; }
  Sequence string() const { return string_; }
  Sequence number() const { return number_; }
  Sequence integer() const { return integer_; }
  // One of a set of characters, as a string spells it.
  Sequence character(const CharSet& set);
  // "[" part, part ... "]", the first ones as they are given; "{" likewise. From least to most in
  // all, most < 0: without end.
  Sequence list(char open, const std::vector<Sequence>& first, const Sequence& part, char close,
                int least, int most);
  Sequence pair(const Sequence& key, const Sequence& value);
  // Numbers with at most `decimals` digits after the point. In units of the last of them: from low
  // to high, both included, and multiples of `step`, which is at least 1.
  Sequence numbers(int64_t low, int64_t high, int decimals, int64_t step);

 private:
  Sequence magnitudes(int64_t low, int64_t high, int decimals, int64_t step);

  GrammarBuilder& builder_;
  Sequence space_, value_, object_, array_, string_, number_, integer_;
};

}  // namespace r1
