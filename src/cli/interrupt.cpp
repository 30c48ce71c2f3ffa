#include "cli/interrupt.h"

namespace r1 {
namespace {

volatile std::sig_atomic_t flag = 0;

void set_flag(int) { flag = 1; }

}  // namespace

InterruptGuard::InterruptGuard(Which which) : which_(which) {
  struct sigaction action {};
  action.sa_handler = set_flag;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_);
  if (which_ == kTerminateToo) ::sigaction(SIGTERM, &action, &previous_terminate_);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &previous_, nullptr);
  if (which_ == kTerminateToo) ::sigaction(SIGTERM, &previous_terminate_, nullptr);
}

bool interrupted() { return flag != 0; }

void clear_interrupt() { flag = 0; }

}  // namespace r1
