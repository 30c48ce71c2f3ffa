// What a command is: one file that declares its options and returns what runs it, and one line in
// main.cpp.
#pragma once

#include <functional>

#include "base/error.h"

namespace CLI {
class App;
}

namespace r1 {

using Run = std::function<Result<void>()>;  // an Error becomes "r1: message" and exit code 1

struct Command {
  const char* name;
  const char* summary;            // one line, for `r1 --help`
  const char* examples;           // shown below the command's own help
  Run (*declare)(CLI::App& app);  // adds options; the values live in what it returns
};

}  // namespace r1
