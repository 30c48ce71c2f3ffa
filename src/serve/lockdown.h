// Law 4 held by the kernel: what a server has no use for, it cannot do, whoever may have taken it
// over. Both are for good, and need no privileges; where the kernel lacks one, an error says so.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace r1 {

// Files and folders with all below them. What does not exist is passed over.
struct Reach {
  std::vector<std::string> read, write;
};

// Landlock: this thread and those it starts open these and what every program reads of the system;
// they run nothing. To be called before there are other threads.
Result<void> confine_files(const Reach& reach);

// seccomp, for all threads: sockets there are may accept, read and write; no new one is opened and
// none connects; no process is started. Calls that a server does not need do not exist (ENOSYS).
Result<void> confine_calls();

}  // namespace r1
