// Added tokens: texts that are one token whatever the model's merges say, found before anything
// else, leftmost and longest first, with the flags of Hugging Face's AddedToken.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace r1 {

struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for in the normalized text
  bool special = false;
  // Steers the model: special, or spelled <like this>. Many files mark <think> or <｜User｜> as
  // ordinary, and a user who types one must not open a turn with it.
  bool control() const;
};

class AddedTokens {
 public:
  struct Match {
    size_t begin, end;  // with the white space it takes along
    size_t resume;      // where to look for the next
    const AddedToken* token;
  };

  Result<void> add(AddedToken token);  // refuses empty and very long texts
  bool empty() const { return tokens_.empty(); }
  const AddedToken* find(std::string_view text) const;

  // The next token at or after `from`; white space before `taken` belongs to the one before.
  // Control tokens count only where `control` is set, and never right after the byte `mark`.
  std::optional<Match> next(std::string_view text, size_t from, size_t taken, bool control,
                            char mark) const;

  // The text with `mark` wherever a control token begins, or could begin or end together with text
  // outside.
  std::string protect(std::string_view text, char mark) const;

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    int32_t token = kNone, first_child = kNone, next_sibling = kNone;
    char byte = 0;
  };
  int32_t child(int32_t node, char byte) const;
  // The longest token that `text` holds at `at`; nullptr where there is none.
  const AddedToken* longest(std::string_view text, size_t at, bool control) const;
  // Whether a control token begins at `at`, or may begin there and go on beyond the text.
  bool begins_control(std::string_view text, size_t at) const;
  bool ends_control(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<int32_t, 256> roots_ = no_roots();  // the root's children by byte
  static std::array<int32_t, 256> no_roots();
};

}  // namespace r1
