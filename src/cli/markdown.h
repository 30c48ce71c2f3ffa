// Streams a model's Markdown to a terminal: what feed() returns can be printed at once and never
// has to be taken back. Blocks are recognised by how their line begins, spans when they are
// complete on their line, so text waits only while it may still be markup. TeX stays text. Control
// characters never pass (ControlFilter). Linear in the text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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
  enum class Block { kNone, kText, kCode, kMath, kTable };

  void take(std::string_view text);
  void line();
  void code();
  void math();
  void text(bool complete);
  void flush_table();
  bool begin_block(bool complete);

  Terminal terminal_;
  Styles styles_;
  ControlFilter filter_;
  Block block_ = Block::kNone;
  std::string line_, out_;          // the part of the line not shown yet; what this call shows
  std::string fence_, line_style_;  // the fence that closes the code; a heading's or quote's style
  std::vector<std::string> table_;  // rows held until the table ends
};

}  // namespace r1
