// What stands at the other end of an output, and the styles it may be given. Escape codes go to
// terminals only, and not when NO_COLOR is set (https://no-color.org) or TERM is dumb. Outside
// text, above all what a model wrote, must pass a ControlFilter (text/printable.h) first.
#pragma once

#include <string>
#include <string_view>

#include "text/printable.h"

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

}  // namespace r1
