// Streams a model's Markdown to a terminal: what feed() returns can be printed at once and never
// has to be taken back. Blocks are recognised by how their line begins, spans when they are
// complete on their line, so text waits only while it may still be markup. TeX stays text. Control
// characters never pass (ControlFilter). Linear in the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/markdown_spans.h"
#include "cli/terminal.h"

namespace r1 {

class MarkdownRenderer {
 public:
  // A pipe gets the text unchanged; a terminal without styles gets it filtered; otherwise it is
  // rendered.
  explicit MarkdownRenderer(const Terminal& terminal);

  std::string feed(std::string_view text);
  std::string finish();  // releases what was held and ends open styles; the renderer starts anew

 private:
  // What the current line is; kUndecided while its beginning may still become several things.
  enum class Line { kUndecided, kText, kCode };

  std::string render(std::string_view text);
  void advance(bool complete);
  bool decide(bool complete);
  bool decide_code(bool complete);
  void emit(std::string_view style, std::string_view text);
  void end_line();
  void flush_table();

  Terminal terminal_;
  Styles styles_;
  ControlFilter filter_;
  SpanRenderer spans_;
  Line kind_ = Line::kUndecided;
  std::string line_, out_;          // the part of the line not shown yet; what this call shows
  std::string fence_;               // of the code block we are in
  std::string_view line_style_;     // a heading's
  int quotes_ = 0;                  // > before what the line is
  std::vector<std::string> table_;  // rows held until the table ends
};

}  // namespace r1
