// Shows an answer while it appears. A terminal gets the thought dimmed between a header and a
// footer and the answer rendered from Markdown; a pipe gets the answer's text as it is, with the
// thought in <think> tags before it where it is wanted. Whatever a model wrote passes a control
// filter before a terminal sees it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/markdown.h"
#include "cli/terminal.h"
#include "infer/engine.h"

namespace r1 {

using TextSink = std::function<void(std::string_view)>;

class AnswerPrinter {
 public:
  AnswerPrinter(const Terminal& terminal, bool show_thought, TextSink sink);

  void show(const Piece& piece);
  void finish();  // ends the line, where anything was shown

 private:
  enum class Part { kNothing, kThought, kAnswer };

  void thought(std::string_view text);
  void answer(std::string_view text);
  // What was shown as the answer turned out to be the thought: says so below it.
  void close_mistaken_answer();
  void close_thought();

  Terminal terminal_;
  Styles styles_;
  bool show_thought_;
  TextSink sink_;
  MarkdownRenderer markdown_;
  ControlFilter filter_;
  Part part_ = Part::kNothing;
  char last_ = '\n';  // of the answer
};

}  // namespace r1
