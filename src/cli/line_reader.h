// Lines a person types: edited, completed and remembered by libedit. Pasted text arrives as one
// piece, its line breaks kept, because terminals bracket it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

class LineReader {
 public:
  enum class End { kLine, kInterrupt, kEof };  // Enter, Ctrl-C, Ctrl-D on an empty line
  struct Line {
    End end;
    std::string text;  // UTF-8, without the final newline
  };

  virtual ~LineReader() = default;
  virtual Line read(const std::string& prompt) = 0;
  virtual void remember(std::string_view entry) = 0;  // what arrow-up brings back
};

// Every way the text before the cursor may go on.
using Completer = std::function<std::vector<std::string>(std::string_view text)>;

// Standard input and output. history_file: appended to entry by entry, "" for none.
// An InterruptGuard must live while read() waits.
std::unique_ptr<LineReader> make_line_reader(std::string history_file, Completer completer);

// $XDG_STATE_HOME/r1/history or ~/.local/state/r1/history, "" where neither variable is set.
std::string history_path();

// Entries of a history file, one per line with \n and \\ escaped; the newest `limit` of them.
std::vector<std::string> load_history(const std::string& path, size_t limit);
bool append_history(const std::string& path, std::string_view entry);

}  // namespace r1
