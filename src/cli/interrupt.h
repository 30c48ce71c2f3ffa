// Ctrl-C as a question instead of an end: while an InterruptGuard lives, SIGINT sets a flag, and a
// blocking read returns with EINTR.
#pragma once

#include <csignal>

namespace r1 {

class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();  // gives the previous handler back
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction previous_;
};

bool interrupted();  // since the start or the last clear_interrupt()
void clear_interrupt();

}  // namespace r1
