// Shell completion, generated from the parsed command tree, so that it never goes stale.
#pragma once

#include <string>

#include "base/error.h"

namespace CLI {
class App;
}

namespace r1 {

// `shell`: bash, zsh or fish. Completes commands, flags, the values of flags declared with
// add_choice, else files.
Result<std::string> completion_script(const CLI::App& root, const std::string& shell);

}  // namespace r1
