#include "base/state_path.h"

#include <cstdlib>

namespace r1 {

std::string state_path(std::string_view name) {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  std::string path =
      state && *state ? state : std::string(home && *home ? home : ".") + "/.local/state";
  return path.append("/r1/").append(name);
}

}  // namespace r1
