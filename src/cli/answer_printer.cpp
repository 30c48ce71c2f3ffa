#include "cli/answer_printer.h"

#include <fmt/format.h>

namespace r1 {

AnswerPrinter::AnswerPrinter(const Terminal& terminal, bool show_thought, TextSink sink)
    : terminal_(terminal),
      styles_(styles(terminal)),
      show_thought_(show_thought),
      sink_(std::move(sink)),
      markdown_(terminal) {}

void AnswerPrinter::show(const Piece& piece) {
  if (piece.answer_was_thought && part_ == Part::kAnswer) {
    sink_(markdown_.feed(piece.thought));
    close_mistaken_answer();
  } else {
    thought(piece.thought);
  }
  answer(piece.answer);
}

void AnswerPrinter::close_mistaken_answer() {
  sink_(markdown_.finish());
  if (terminal_.interactive)
    sink_(fmt::format("\n{}…that was its thought.{}\n\n", styles_.dim, styles_.reset));
  else
    sink_("\n</think>\n\n");
}

void AnswerPrinter::thought(std::string_view text) {
  if (text.empty()) return;
  if (part_ == Part::kNothing) {
    part_ = Part::kThought;
    if (terminal_.interactive)
      sink_(fmt::format("{}Thinking…{}", styles_.dim, show_thought_ ? "\n" : ""));
    else if (show_thought_)
      sink_("<think>\n");
  }
  if (show_thought_) sink_(terminal_.interactive ? filter_.feed(text) : std::string(text));
}

void AnswerPrinter::close_thought() {
  if (show_thought_) sink_(filter_.finish());
  if (terminal_.interactive && show_thought_)
    sink_(fmt::format("\n…done thinking.{}\n\n", styles_.reset));
  else if (terminal_.styled)
    sink_(fmt::format("{}\r\x1b[K", styles_.reset));  // the thought is hidden: so is its header
  else if (terminal_.interactive)
    sink_("\n");
  else if (show_thought_)
    sink_("\n</think>\n\n");
}

void AnswerPrinter::answer(std::string_view text) {
  if (text.empty()) return;
  if (part_ == Part::kThought) close_thought();
  part_ = Part::kAnswer;
  last_ = text.back();
  sink_(markdown_.feed(text));
}

void AnswerPrinter::finish() {
  if (part_ == Part::kThought) close_thought();
  if (part_ == Part::kAnswer) sink_(markdown_.finish());
  if (part_ == Part::kAnswer && last_ != '\n') sink_("\n");
  part_ = Part::kNothing;
  last_ = '\n';
}

}  // namespace r1
