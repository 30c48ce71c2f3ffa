// r1 serve as a child process.
#pragma once

#include "tests/e2e/process.h"

namespace r1 {

// A server of the small model on a free port, until the end of the test.
class Serving {
 public:
  explicit Serving(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"serve", stories(), "--port", "0", "--threads", "1"});
    int err[2];
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(err[1], 2);
      become_r1(flags, folder_ / "state");
    }
    ::close(err[1]);
    char c;
    while (said_.find("http://") == said_.npos || said_.back() != '\n') {
      if (::read(err[0], &c, 1) != 1) break;
      said_ += c;
    }
    errors_ = err[0];
    const size_t at = said_.find("http://");
    EXPECT_NE(at, said_.npos) << said_;
    if (at != said_.npos) url = said_.substr(at, said_.find('\n', at) - at);
  }
  ~Serving() { stop(SIGKILL); }

  int stop(int signal) {
    if (child_ < 0) return 0;
    ::kill(child_, signal);
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    ::close(errors_);
    return exit_code(status);
  }

  std::string url;

 private:
  const TemporaryFolder folder_;
  pid_t child_ = -1;
  int errors_ = -1;
  std::string said_;
};

}  // namespace r1
