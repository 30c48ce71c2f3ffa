// Runs the built program as people do: with pipes, and at a pseudo-terminal.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace r1 {

constexpr int kPatienceSeconds = 120;  // for a busy machine; nothing is asserted about time

// The model in the repository.
inline std::string stories() { return R1_SOURCE "/models/stories260K/stories260K.f32.gguf"; }

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/r1-e2e-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// In the child: never returns.
[[noreturn]] inline void become_r1(std::vector<std::string> args, const std::string& state) {
  args.insert(args.begin(), "r1");
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  ::setenv("XDG_STATE_HOME", state.c_str(), 1);
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  ::execv(R1_PROGRAM, argv.data());
  ::_exit(127);
}

// What waitpid reported, as a shell puts it.
inline int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct Finished {
  int code = -1;
  std::string out, err;
  int64_t peak_bytes = 0;  // resident, at most
};

// interrupt_after: SIGINT is sent once standard output holds so many bytes.
inline Finished run_r1(const std::vector<std::string>& args, std::string_view input = "",
                       size_t interrupt_after = std::string::npos) {
  const TemporaryFolder folder;
  int in[2], out[2], err[2];
  if (::pipe2(in, O_CLOEXEC) || ::pipe2(out, O_CLOEXEC) || ::pipe2(err, O_CLOEXEC)) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(err[1], 2);
    become_r1(args, folder / "state");
  }
  for (const int fd : {in[0], out[1], err[1]}) ::close(fd);
  std::signal(SIGPIPE, SIG_IGN);  // a program that refuses its flags reads no input

  Finished finished;
  std::string* const texts[] = {nullptr, &finished.out, &finished.err};
  pollfd fds[] = {{in[1], POLLOUT, 0}, {out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  while (fds[1].fd >= 0 || fds[2].fd >= 0) {
    if (fds[0].fd >= 0 && input.empty()) {
      ::close(fds[0].fd);
      fds[0].fd = -1;
    }
    if (::poll(fds, 3, kPatienceSeconds * 1000) <= 0) {
      ADD_FAILURE() << "r1 is silent; so far: " << finished.out << finished.err;
      ::kill(child, SIGKILL);
      break;
    }
    if (fds[0].revents) {
      const ssize_t n = ::write(fds[0].fd, input.data(), std::min<size_t>(input.size(), 4096));
      input = n > 0 ? input.substr(static_cast<size_t>(n)) : "";
    }
    for (const int i : {1, 2}) {
      if (!fds[i].revents) continue;
      char buffer[1 << 16];
      const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n > 0) {
        texts[i]->append(buffer, static_cast<size_t>(n));
      } else {
        ::close(fds[i].fd);
        fds[i].fd = -1;
      }
    }
    if (finished.out.size() > interrupt_after) {
      ::kill(child, SIGINT);
      interrupt_after = std::string::npos;
    }
  }
  if (fds[0].fd >= 0) ::close(fds[0].fd);
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  finished.code = exit_code(status);
  finished.peak_bytes = int64_t{usage.ru_maxrss} * 1024;
  return finished;
}

// r1 at a terminal of 80 columns.
class PtySession {
 public:
  explicit PtySession(const std::vector<std::string>& args) {
    winsize size{24, 80, 0, 0};
    child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ == 0) become_r1(args, folder / "state");
  }
  ~PtySession() {
    ::kill(child_, SIGKILL);
    if (!waited_) ::waitpid(child_, nullptr, 0);
    ::close(terminal_);
  }
  PtySession(const PtySession&) = delete;
  PtySession& operator=(const PtySession&) = delete;

  void type(std::string_view keys) {
    EXPECT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  // Reads until `text` appears after what earlier calls found, and returns all up to it.
  std::string wait_for(std::string_view text) {
    for (;;) {
      if (const size_t at = screen_.find(text); at != screen_.npos) {
        const std::string seen = screen_.substr(0, at + text.size());
        screen_.erase(0, seen.size());
        return seen;
      }
      if (!read_more()) {
        ADD_FAILURE() << "never saw \"" << text << "\"; the screen shows: " << screen_;
        return "";
      }
    }
  }

  // A prompt, and the line editor behind it ready for keys.
  void wait_for_prompt(std::string_view prompt = ">>> ") {
    wait_for(prompt);
    termios state{};
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
    do {
      if (::tcgetattr(terminal_, &state) == 0 && !(state.c_lflag & ICANON)) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } while (std::chrono::steady_clock::now() < deadline);
    ADD_FAILURE() << "the line editor never took the terminal";
  }

  int wait_exit() {
    while (read_more()) {
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    waited_ = true;
    return exit_code(status);
  }

  const TemporaryFolder folder;

 private:
  bool read_more() {
    pollfd fd{terminal_, POLLIN, 0};
    char buffer[1 << 16];
    if (::poll(&fd, 1, kPatienceSeconds * 1000) <= 0) return false;
    const ssize_t n = ::read(terminal_, buffer, sizeof buffer);
    if (n <= 0) return false;  // EIO: the program is gone
    screen_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  pid_t child_ = -1;
  int terminal_ = -1;
  bool waited_ = false;
  std::string screen_;
};

}  // namespace r1
