// Where what r1 keeps between runs lies.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

// "keys.json" -> $XDG_STATE_HOME/r1/keys.json, else ~/.local/state/r1/keys.json.
std::string state_path(std::string_view name);

}  // namespace r1
