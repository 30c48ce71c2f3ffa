// r1 serve as a process.
#pragma once

#include "tests/e2e/process.h"

namespace r1 {

// A server of the small model on a free port, until the end of the test. `before`: the program that
// runs it, e.g. strace and its flags.
class Serving {
 public:
  explicit Serving(std::vector<std::string> flags = {}, std::vector<std::string> before = {}) {
    flags.insert(flags.begin(), {"serve", stories(), "--port", "0", "--threads", "1"});
    int err[2];
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(err[1], 2);
      if (before.empty()) become_r1(flags, state());
      before.push_back(R1_PROGRAM);
      before.insert(before.end(), flags.begin(), flags.end());
      std::vector<char*> argv;
      for (std::string& arg : before) argv.push_back(arg.data());
      argv.push_back(nullptr);
      ::setenv("XDG_STATE_HOME", state().c_str(), 1);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(err[1]);
    errors_ = err[0];
    for (std::string next; said.find("http") == said.npos; said += next)
      if ((next = line()).empty()) break;
    const size_t at = said.find("http");
    if (at != said.npos) url = said.substr(at, said.find('\n', at) - at);
  }
  ~Serving() { stop(SIGKILL); }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  int stop(int signal) {
    if (child_ < 0) return 0;
    ::kill(child_, signal);
    int status = 0;
    ::waitpid(std::exchange(child_, -1), &status, 0);
    ::close(errors_);
    return exit_code(status);
  }

  // The next one that it says on standard error; "": it says no more.
  std::string line() {
    std::string text;
    char c;
    while (!text.ends_with('\n') && ::read(errors_, &c, 1) == 1) text += c;
    return text;
  }

  pid_t process() const { return child_; }
  int port() const { return std::atoi(url.c_str() + url.rfind(':') + 1); }
  std::string state() const { return folder_ / "state"; }
  const TemporaryFolder& folder() const { return folder_; }

  std::string url, said;  // the latter: up to the line with the former

 private:
  const TemporaryFolder folder_;
  pid_t child_ = -1;
  int errors_ = -1;
};

}  // namespace r1
