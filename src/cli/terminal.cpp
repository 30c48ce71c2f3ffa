#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace r1 {

Terminal terminal(int fd) {
  Terminal result;
  result.interactive = isatty(fd) == 1;
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const kind = std::getenv("TERM");
  const bool plain = (no_color && *no_color) || !kind || std::string_view(kind) == "dumb";
  result.styled = result.interactive && !plain;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) result.width = size.ws_col;
  return result;
}

Styles styles(const Terminal& terminal) {
  if (!terminal.styled) return {};
  return {.reset = "\x1b[0m",
          .bold = "\x1b[1m",
          .dim = "\x1b[2m",
          .italic = "\x1b[3m",
          .underline = "\x1b[4m",
          .code = "\x1b[36m",
          .heading = "\x1b[1m",
          .error = "\x1b[31m"};
}

}  // namespace r1
