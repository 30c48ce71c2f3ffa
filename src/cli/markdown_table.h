// Tables of Markdown (| a | b |) with their columns aligned, if they fit the terminal.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace r1 {

// Lines that begin with |, without their newlines; each comes back as a line. Without a |---|---|
// line they are text.
std::string render_table(const std::vector<std::string>& rows, const Styles& styles, int width);

}  // namespace r1
