// Regular expressions of tokenizer files (Oniguruma's dialect, as Hugging Face reads them), run by
// PCRE2. What the two dialects read differently is rewritten or refused. Groups may be optional but
// not repeated, and the steps of a match are limited: no file makes matching exponential.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

class Pattern {
 public:
  // Errors name the pattern and the construct.
  static Result<Pattern> compile(std::string_view regex);
  static Result<Pattern> literal(std::string_view text);

  struct Span {
    size_t begin, end;
  };
  // Matches in one text after another; not shared between threads.
  class Matcher {
   public:
    explicit Matcher(const Pattern& pattern);
    // The leftmost non-empty match at or after `from`. Looks at nothing outside `text` (valid
    // UTF-8). Throws std::runtime_error where the pattern needs more than the step limit.
    std::optional<Span> find(std::string_view text, size_t from);

   private:
    struct Free {
      void operator()(void* state) const;
    };
    const Pattern& pattern_;
    std::unique_ptr<void, Free> state_;
  };

 private:
  static Result<Pattern> build(std::string_view shown, const std::string& pcre);

  std::string source_;
  std::shared_ptr<const void> code_;  // pcre2_code
};

// The same expression in PCRE2's dialect.
Result<std::string> to_pcre(std::string_view regex);

}  // namespace r1
