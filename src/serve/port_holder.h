// Who listens on a port of this machine, as far as /proc lets us see.
#pragma once

#include <string>

namespace r1 {

std::string port_holder(int port);  // "ollama (process 1234)", or ""

}  // namespace r1
