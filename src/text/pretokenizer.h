// The "pre_tokenizer" of tokenizer.json: cuts a text into the pieces BPE works in. Each step cuts
// the pieces of the step before.
#pragma once

#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "text/pattern.h"

namespace r1 {

// Pieces in order; views into the text, or into `owned` where a step wrote new text.
struct Pieces {
  std::vector<std::string_view> views;
  std::deque<std::string> owned;
  bool at_start = false;  // the first piece is the beginning of the whole text
};

class PreTokenizer {
 public:
  static Result<PreTokenizer> parse(const nlohmann::json& json);

  enum class Behavior : uint8_t {
    kRemoved,
    kIsolated,
    kMergedWithPrevious,
    kMergedWithNext,
    kContiguous
  };
  struct Split {
    Pattern pattern;
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;
  };
  struct PrefixSpace {};  // a space before every piece that has none
  struct Metaspace {
    std::string replacement;  // of a space
    enum class Prepend : uint8_t { kAlways, kFirst, kNever } prepend;
  };
  using Step = std::variant<Split, PrefixSpace, Metaspace>;
  void add(Step step) { steps_.push_back(std::move(step)); }
  Result<void> add_split(std::string_view regex);  // isolated

  bool byte_level() const { return byte_level_; }
  void set_byte_level() { byte_level_ = true; }

  void apply(Pieces& pieces) const;

 private:
  Result<void> add_parsed(const nlohmann::json& json, int depth);
  Result<void> add_metaspace(const nlohmann::json& json);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

// GPT-2's cut (Radford et al. 2019, encoder.py), also what ByteLevel does with use_regex.
extern const char* const kGpt2Pattern;

}  // namespace r1
