// The spans inside a line of Markdown: emphasis, code, links; TeX ($...$, $$...$$, \(...\),
// \[...\]) is left alone. A span's end must come on its line and within kMaxSpan bytes, else its
// marks are text: so the wait is bounded, and the result never depends on how the text was cut.
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal.h"

namespace r1 {

class SpanRenderer {
 public:
  explicit SpanRenderer(const Styles& styles) : styles_(styles) {}

  // Appends to `out` what is certain of the line's `text` and returns the bytes used; all of them
  // if the line is `complete`. `style` is what surrounds the spans.
  size_t render(std::string_view text, bool complete, std::string_view style, std::string& out);
  void end_line();  // \( ends with its line, display TeX goes on
  bool in_math() const { return !math_end_.empty(); }
  void end_math() { math_end_.clear(); }

 private:
  static constexpr size_t kMaxSpan = 500;
  static constexpr int kMaxDepth = 4;  // of spans in spans

  struct Step;
  Step step(std::string_view text, size_t i, bool complete, const std::string& style,
            std::string& out);
  Step math(std::string_view text, size_t i, bool complete, std::string& out);
  Step code(std::string_view text, size_t i, bool complete, std::string& out);
  Step emphasis(std::string_view text, size_t i, bool complete, const std::string& style,
                std::string& out);
  Step link(std::string_view text, size_t i, bool complete, const std::string& style,
            std::string& out);
  Step dollar(std::string_view text, size_t i, bool complete, std::string& out);
  size_t find_emphasis_end(std::string_view text, size_t from, char mark, size_t size,
                           bool complete) const;
  void emit(std::string_view style, std::string_view text, std::string& out) const;
  std::string nested(std::string_view text, const std::string& style);

  Styles styles_;
  std::string math_end_;  // what ends the TeX we are in
  char previous_ = ' ';   // the character before `text`
  int depth_ = 0;
};

}  // namespace r1
