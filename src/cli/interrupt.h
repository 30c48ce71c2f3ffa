// Ctrl-C as a question instead of an end: while an InterruptGuard lives, SIGINT (and SIGTERM, where
// asked for) sets a flag, and a blocking read returns with EINTR.
#pragma once

#include <csignal>

namespace r1 {

class InterruptGuard {
 public:
  enum Which : bool { kInterruptAlone, kTerminateToo };
  explicit InterruptGuard(Which which = kInterruptAlone);
  ~InterruptGuard();  // gives the previous handler back
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  Which which_;
  struct sigaction previous_, previous_terminate_;
};

bool interrupted();  // since the start or the last clear_interrupt()
void clear_interrupt();

}  // namespace r1
