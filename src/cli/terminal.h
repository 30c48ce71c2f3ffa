// What stands at the other end of an output, and the styles it may be given. Escape codes go to
// terminals only, and not when NO_COLOR is set (https://no-color.org) or TERM is dumb. Outside
// text, above all what a model wrote, must pass a ControlFilter before a terminal sees it: raw
// control characters could rewrite the screen.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

struct Terminal {
  bool interactive = false;  // a person looks at it
  bool styled = false;       // escape codes are welcome
  int width = 80;            // columns
};

// Asks the file descriptor now; the width changes when the window does.
Terminal terminal(int fd);

// Escape codes, all empty for a terminal that is not styled. `reset` ends every other style.
struct Styles {
  std::string_view reset, bold, dim, italic, underline, code, heading, error;
};

Styles styles(const Terminal& terminal);

// Streams text for a terminal: C0 and C1 controls except \n and \t are dropped, bytes that are no
// UTF-8 become U+FFFD. A character cut between two calls is held until its rest arrives.
class ControlFilter {
 public:
  std::string feed(std::string_view text);
  std::string finish();

 private:
  std::string held_;
};

// A whole text through a ControlFilter, for a file name or an error in one line.
std::string printable(std::string_view text);

// The columns a text takes: 0, 1 or 2 a character.
int display_width(std::string_view text);

}  // namespace r1
