// What a locked process still can and what it cannot, each tried by one.
#include "serve/lockdown.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "format/test_bytes.h"

namespace r1 {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Runs `body` in a child and gives what it says; "" where all was as it should be.
std::string in_a_child(const std::function<std::string()>& body) {
  int said[2];
  if (::pipe2(said, O_CLOEXEC) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string text = body();
    const ssize_t n = ::write(said[1], text.data(), text.size());
    ::_exit(n == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  ::close(said[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(said[0], buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  ::close(said[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) text += fmt::format("ended with status {}", status);
  return text;
}

bool kernel_has_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

TEST(Lockdown, FilesBeyondReachStayClosed) {
  if (!kernel_has_landlock()) GTEST_SKIP() << "this kernel has no Landlock";
  const TemporaryFolder data, models, others;
  const std::string model = models.write("model", "weights"), other = others.write("other", "x");
  EXPECT_EQ(in_a_child([&]() -> std::string {
              const Reach reach{.read = {model, "/nowhere/at/all"}, .write = {data.path()}};
              if (const auto r = confine_files(reach); !r) return r.error().message;
              std::string wrong;
              const auto want = [&](bool held, const char* what) {
                if (!held) wrong += std::string(what) + "\n";
              };
              want(read_file(model, 100).operator bool(), "a model can be read");
              want(!write_file(model, "changed"), "a model cannot be changed");
              want(::open(model.c_str(), O_WRONLY | O_TRUNC) < 0, "nor be truncated");
              want(!read_file(other, 100), "other files cannot be read");
              want(!read_file("/etc/passwd", 1 << 20), "nor the system's");
              want(!write_file(others.path("new"), "x"), "nor be made");
              want(::unlink(other.c_str()) != 0, "nor be removed");
              want(write_file(data.path("new"), "x").operator bool(), "data can be written");
              want(::symlink("/etc/passwd", data.path("link").c_str()) != 0, "no links are made");
              ::execl("/bin/true", "true", nullptr);
              want(errno == EACCES, "no program is run");
              std::string in_thread;
              std::thread([&] { in_thread = read_file(other, 100) ? "in a thread\n" : ""; }).join();
              return wrong + in_thread;
            }),
            "");
  EXPECT_EQ(*read_file(model, 100), "weights");
}

TEST(Lockdown, SocketsThereAreServeAndNoneIsAdded) {
  const TemporaryFolder data;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::send(client, "hello", 5, 0), 5);

  EXPECT_EQ(
      in_a_child([&]() -> std::string {
        const int unconnected = ::socket(AF_INET, SOCK_STREAM, 0);
        std::atomic<bool> locked = false;
        int before = 0;
        std::thread early([&] {  // there before the lock, and bound by it
          while (!locked) std::this_thread::yield();
          before = ::socket(AF_INET, SOCK_STREAM, 0);
        });
        const auto confined = confine_calls();
        locked = true;
        early.join();
        if (!confined) return confined.error().message;
        std::string wrong;
        const auto want = [&](bool held, const char* what) {
          if (!held) wrong += std::string(what) + "\n";
        };
        want(before < 0, "threads that were there are bound");
        const auto* to = reinterpret_cast<const sockaddr*>(&address);
        want(::connect(unconnected, to, sizeof address) != 0, "no connect");
        want(::sendto(unconnected, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, to, sizeof address) < 0 &&
                 errno == ENOSYS,
             "no connect by sending");
        want(::bind(unconnected, to, sizeof address) != 0 && errno == ENOSYS, "no bind");
        want(::listen(unconnected, 1) != 0 && errno == ENOSYS, "no listen");
        for (const int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK})
          want(::socket(family, SOCK_DGRAM, 0) < 0, "no socket");
        int pair[2];
        want(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0, "no pair of sockets");
        want(::fork() < 0, "no process");
        want(::execl("/bin/true", "true", nullptr) < 0 && errno == ENOSYS, "no program");
        want(::syscall(SYS_io_uring_setup, 1, nullptr) < 0 && errno == ENOSYS, "no io_uring");
        want(::syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == ENOSYS, "no ptrace");
        want(::syscall(SYS_unshare, 0) < 0 && errno == ENOSYS, "no namespace");
        want(::ioctl(0, TIOCSTI, "x") < 0 && errno == ENOSYS, "nothing typed at a terminal");

        const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        char text[5] = {};
        want(::recv(accepted, text, 5, MSG_WAITALL) == 5 && std::string(text, 5) == "hello",
             "who connects is served");
        want(::send(accepted, "again", 5, MSG_NOSIGNAL) == 5, "and answered");
        int thread = 0;
        std::thread([&] { thread = 1; }).join();
        want(thread == 1, "threads start");
        want(write_file(data.path("file"), "x").operator bool(), "files are written");
        return wrong;
      }),
      "");
  char text[5] = {};
  EXPECT_EQ(::recv(client, text, 5, MSG_WAITALL), 5);
  ::close(client);
  ::close(listener);
}

}  // namespace
}  // namespace r1
