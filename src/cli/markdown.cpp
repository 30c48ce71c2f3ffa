#include "cli/markdown.h"

#include <algorithm>
#include <utility>

#include "cli/markdown_table.h"

namespace r1 {

namespace {

constexpr size_t kMaxHeld =
    4096;  // bytes of a line that may still be several things, or of a table's row
constexpr size_t kMaxRows = 200;  // of a table; longer ones are aligned in parts
constexpr int kMaxQuotes = 8;     // quotes in quotes
constexpr int kRule = 40;         // columns

size_t count_leading(std::string_view text, char c) {
  const size_t n = text.find_first_not_of(c);
  return n == std::string_view::npos ? text.size() : n;
}

std::string repeated(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

// Three or more of one of -*_ and blanks.
bool is_rule(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos ||
      std::string_view("-*_").find(text[first]) == std::string_view::npos)
    return false;
  const char mark = text[first];
  return std::all_of(text.begin(), text.end(), [&](char c) { return c == mark || c == ' '; }) &&
         std::count(text.begin(), text.end(), mark) >= 3;
}

// The marks of ``` or ~~~ if a line begins with three or more of them.
std::string_view fence_of(std::string_view line) {
  const size_t indent = std::min(count_leading(line, ' '), line.size());
  const std::string_view rest = line.substr(indent);
  if (rest.empty() || (rest[0] != '`' && rest[0] != '~')) return {};
  const size_t n = count_leading(rest, rest[0]);
  return n >= 3 ? rest.substr(0, n) : std::string_view{};
}

}  // namespace

MarkdownRenderer::MarkdownRenderer(const Terminal& terminal)
    : terminal_(terminal), styles_(styles(terminal)), spans_(styles_) {}

std::string MarkdownRenderer::feed(std::string_view text) {
  if (!terminal_.interactive) return std::string(text);
  const std::string clean = filter_.feed(text);
  return terminal_.styled ? render(clean) : clean;
}

std::string MarkdownRenderer::finish() {
  if (!terminal_.interactive) return "";
  std::string rest = filter_.finish();
  if (terminal_.styled) {
    rest = render(rest);
    if (!line_.empty()) advance(true);
    flush_table();
    rest += out_;
  }
  *this = MarkdownRenderer(terminal_);
  return rest;
}

std::string MarkdownRenderer::render(std::string_view text) {
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    line_ += text.substr(0, newline);
    const bool complete = newline != std::string_view::npos;
    advance(complete);
    if (!complete) break;
    end_line();
    text.remove_prefix(newline + 1);
  }
  return std::exchange(out_, {});
}

// Shows what is certain of the line so far.
void MarkdownRenderer::advance(bool complete) {
  if (kind_ == Line::kUndecided) {
    const bool decided = fence_.empty() ? decide(complete) : decide_code(complete);
    if (!decided) return;
  }
  if (kind_ == Line::kCode) {
    emit(styles_.code, std::exchange(line_, {}));
  } else {
    line_.erase(0, spans_.render(line_, complete, line_style_, out_));
  }
}

void MarkdownRenderer::emit(std::string_view style, std::string_view text) {
  if (text.empty()) return;
  out_ += style;
  out_ += text;
  if (!style.empty()) out_ += styles_.reset;
}

// Inside a fence: the closing fence, or a line of code.
bool MarkdownRenderer::decide_code(bool complete) {
  const std::string_view rest = std::string_view(line_).substr(count_leading(line_, ' '));
  const bool may_close =
      std::all_of(rest.begin(), rest.end(), [&](char c) { return c == fence_[0] || c == ' '; });
  if (may_close && !complete && line_.size() < kMaxHeld) return false;
  if (may_close && fence_of(line_).size() >= fence_.size()) {
    emit("", line_.substr(0, count_leading(line_, ' ')));
    emit(styles_.dim, "───");
    fence_.clear();
    line_.clear();
    kind_ = Line::kText;
    return true;
  }
  kind_ = Line::kCode;
  return true;
}

// What the line's beginning says it is; false while more of it is needed.
bool MarkdownRenderer::decide(bool complete) {
  const bool must = complete || line_.size() >= kMaxHeld;
  const size_t indent = std::min(line_.find_first_not_of(" \t"), line_.size());
  const std::string_view rest = std::string_view(line_).substr(indent);
  if (spans_.in_math()) {
    if (complete && rest.empty()) spans_.end_math();  // display TeX has no empty line
    kind_ = Line::kText;
    return true;
  }
  if (rest.empty() && !must) return false;
  if (rest.starts_with('|') && quotes_ == 0 && line_.size() < kMaxHeld) {
    if (complete) table_.push_back(std::exchange(line_, {}));
    if (table_.size() >= kMaxRows) flush_table();
    return false;
  }
  flush_table();
  kind_ = Line::kText;
  if (rest.empty()) return true;

  const auto undecided = [&] {
    kind_ = Line::kUndecided;
    return false;
  };
  const char mark = rest[0];
  const size_t run = count_leading(rest, mark);
  const bool open = run == rest.size() && !must;  // nothing but marks so far
  switch (mark) {
    case '#':
      if (open && run <= 6) return undecided();
      if (run > 6 || (run < rest.size() && rest[run] != ' ')) return true;
      line_.erase(0, std::min(line_.find_first_not_of(" #"), line_.size()));
      line_style_ = styles_.heading;
      return true;
    case '`':
    case '~':
      if (open) return undecided();
      if (run < 3 || (mark == '`' && rest.find('`', run) != std::string_view::npos)) return true;
      if (!must) return undecided();
      fence_ = std::string(run, mark);
      out_ += line_.substr(0, indent);
      emit(styles_.dim, "───" + std::string(rest.substr(run).empty() ? "" : " ") +
                            std::string(rest.substr(run)));
      line_.clear();
      return true;
    case '>':
      if (rest.size() == 1 && !must) return undecided();  // a blank after it goes with it
      if (quotes_ == kMaxQuotes) return true;
      ++quotes_;
      emit(styles_.dim, line_.substr(0, indent) + "│ ");
      line_.erase(0, indent + 1 + (rest.size() > 1 && rest[1] == ' ' ? 1 : 0));
      kind_ = Line::kUndecided;  // whatever may begin a line may follow
      return decide(complete);
    case '-':
    case '*':
    case '+':
    case '_':
      if (std::all_of(rest.begin(), rest.end(), [&](char c) { return c == mark || c == ' '; }) &&
          !must) {
        return undecided();
      }
      if (is_rule(rest)) {
        emit(styles_.dim, repeated("─", std::min(kRule, terminal_.width)));
        line_.clear();
      } else if (mark != '_' && rest.size() > 1 && rest[1] == ' ') {
        out_ += line_.substr(0, indent) + "• ";
        line_.erase(0, indent + 2);
      }
      return true;
    default:
      return true;
  }
}

void MarkdownRenderer::end_line() {
  const bool held_row = kind_ == Line::kUndecided;  // its newline comes with its table
  if (!held_row) out_ += '\n';
  kind_ = Line::kUndecided;
  line_style_ = {};
  quotes_ = 0;
  spans_.end_line();
}

void MarkdownRenderer::flush_table() {
  if (table_.empty()) return;
  out_ += render_table(std::exchange(table_, {}), styles_, terminal_.width);
}

}  // namespace r1
