// Law 4: the machine is the border. A whole server works in a network namespace that has loopback
// and nothing else; a trace of its system calls shows one listening socket and the files it is
// told of; --lockdown has the kernel hold it to that; the systemd unit does too.
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <fstream>
#include <functional>
#include <regex>
#include <set>
#include <sstream>

#include "serve/digest.h"
#include "serve/test_client.h"
#include "tests/e2e/serving.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Every dialect, whole and streamed, and what is no request.
void use_it_all(const Serving& serving) {
  ASSERT_GT(serving.port(), 0) << serving.said;
  for (const char* path :
       {"/v1/chat/completions", "/chat/completions", "/v1/messages", "/api/chat"})
    for (const bool stream : {false, true}) {
      const Json request = {
          {"model", "stories260K.f32"},
          {"max_tokens", 4},
          {"options", {{"num_predict", 4}}},
          {"stream", stream},
          {"messages", Json::array({{{"role", "user"}, {"content", "Once upon"}}})}};
      Json own = request;
      if (std::string_view(path) != "/api/chat") own.erase("options");
      const auto r = TestClient(serving.port()).post(path, own);
      EXPECT_EQ(r.status, 200) << path << r.body;
      EXPECT_GT(r.body.size(), 20u);
    }
  for (const char* path : {"/health", "/metrics", "/v1/models", "/api/tags", "/api/ps", "/"})
    EXPECT_EQ(TestClient(serving.port()).get(path).status, 200) << path;
  TestClient garbage(serving.port());
  garbage.send("\x16\x03\x01 garbage\r\n\r\n");
  garbage.read_all();
}

// "": done; else what is missing here.
std::string leave_the_network() {
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWNET) != 0)
    return std::string("network namespaces (unshare: ") + std::strerror(errno) + ")";
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP;
  const bool up = ::ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
  ::close(fd);
  return up ? "" : std::string("the right to bring up loopback (") + std::strerror(errno) + ")";
}

TEST(Residency, TheServerNeedsNoNetwork) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string missing = leave_the_network();
    std::ofstream(folder / "missing") << missing;
    if (missing.empty()) {
      const std::string devices = contents("/proc/self/net/dev");
      EXPECT_EQ(std::count(devices.begin(), devices.end(), ':'), 1) << devices;  // lo
      Serving serving;
      use_it_all(serving);
      EXPECT_EQ(serving.stop(SIGTERM), 0);
    }
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (const std::string missing = contents(folder / "missing"); !missing.empty())
    GTEST_SKIP() << "missing here: " << missing;
  EXPECT_EQ(status, 0);
}

struct Call {
  std::string name, arguments, line;
};

// strace's lines: "123 openat(AT_FDCWD, "x", O_RDONLY) = 3"; calls cut in two by others are whole
// in their first half, but for the result.
std::vector<Call> calls_of(const std::string& trace) {
  static const std::regex kLine(R"(^\d+ +(\w+)\((.*)$)");
  std::vector<Call> calls;
  std::istringstream lines(trace);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kLine)) calls.push_back({match[1], match[2], line});
  }
  return calls;
}

void check_calls(const Serving& serving, const std::string& trace) {
  const std::set<std::string> may = {
      "accept",     "accept4",     "recvfrom",    "recvmsg",    "sendto", "sendmsg",   "shutdown",
      "setsockopt", "getsockname", "getpeername", "getsockopt", "exit",   "exit_group"};
  const std::set<std::string> about_files = {
      "open",      "openat",     "stat",     "lstat",      "newfstatat", "statx", "access",
      "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd",     "statfs"};
  const std::string read[] = {
      R1_SOURCE "/models/",  "/proc/",  "/sys/", "/etc/", "/usr/", "/lib", "/dev/",
      serving.state() + "/", R1_PROGRAM};
  int sockets = 0, binds = 0, listens = 0, programs = 0;
  for (const Call& call : calls_of(trace)) {
    SCOPED_TRACE(call.line);
    const size_t quote = call.arguments.find('"');
    const std::string path =
        quote == std::string::npos
            ? ""
            : call.arguments.substr(quote + 1, call.arguments.find('"', quote + 1) - quote - 1);
    const bool in_state = (path + "/").starts_with(serving.state() + "/");
    if (call.name == "socket") {
      ++sockets;
      EXPECT_TRUE(call.arguments.starts_with("AF_INET, SOCK_STREAM")) << call.line;
    } else if (call.name == "bind") {
      ++binds;
      EXPECT_NE(call.arguments.find("inet_addr(\"127.0.0.1\")"), std::string::npos) << call.line;
    } else if (call.name == "listen") {
      ++listens;
    } else if (call.name == "execve") {
      EXPECT_EQ(++programs, 1);
      EXPECT_EQ(path, R1_PROGRAM);
    } else if (call.name == "clone" || call.name == "clone3") {
      EXPECT_NE(call.arguments.find("CLONE_THREAD"), std::string::npos) << call.line;
    } else if (call.name.starts_with("open") &&
               std::regex_search(call.arguments, std::regex("O_WRONLY|O_RDWR|O_CREAT"))) {
      EXPECT_TRUE(in_state) << "written outside of the state folder: " << call.line;
    } else if (about_files.contains(call.name)) {
      const bool known = path.empty() || path == "/" || in_state ||
                         std::any_of(std::begin(read), std::end(read), [&](const std::string& p) {
                           return path.starts_with(p) || p.starts_with(path + "/");
                         });
      EXPECT_TRUE(known) << "looked at: " << call.line;
    } else if (!may.contains(call.name)) {
      EXPECT_TRUE(in_state) << "what a server does not do: " << call.line;
    }
  }
  EXPECT_EQ(sockets, 1);
  EXPECT_EQ(binds, 1);
  EXPECT_EQ(listens, 1);
  EXPECT_EQ(programs, 1);
}

TEST(Residency, NothingButTheListeningSocketAndFilesIsTouched) {
  if (std::system("strace -o /dev/null true 2> /dev/null") != 0)
    GTEST_SKIP() << "missing here: strace, or the right to trace";
  for (const bool locked : {false, true}) {
    const TemporaryFolder folder;
    const std::string log = folder / "trace";
    std::vector<std::string> flags;
    if (locked) flags.push_back("--lockdown");
    Serving serving(flags, {"strace", "-D", "-f", "-qq", "-s", "4096", "-e", "signal=none", "-e",
                            "trace=%network,%process,%file", "-o", log});
    if (locked && serving.said.find("Landlock") != std::string::npos) GTEST_SKIP() << serving.said;
    use_it_all(serving);
    EXPECT_EQ(serving.stop(SIGTERM), 0);
    for (int i = 0; i < 100 && contents(log).find("exit_group") == std::string::npos; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    check_calls(serving, contents(log));
  }
}

TEST(Residency, LockedDownItServesAllTheSame) {
  Serving serving({"--lockdown"});
  if (serving.said.find("kernel has no") != std::string::npos) GTEST_SKIP() << serving.said;
  use_it_all(serving);
  int threads = 0;
  for (const auto& thread : std::filesystem::directory_iterator(
           "/proc/" + std::to_string(serving.process()) + "/task")) {
    const std::string status = contents(thread.path() / "status");
    EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos) << status;
    EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos) << status;
    ++threads;
  }
  EXPECT_GE(threads, 4);
  EXPECT_EQ(serving.stop(SIGTERM), 0);
}

TEST(Residency, LockedDownItKeepsTracesAndMakesModels) {
  const TemporaryFolder models;
  Serving serving({"--lockdown", "--traces", "--models", models / ""});
  if (serving.said.find("kernel has no") != std::string::npos) GTEST_SKIP() << serving.said;
  ASSERT_GT(serving.port(), 0) << serving.said;
  const auto done = [&](const char* path, const Json& body) {
    const auto r = TestClient(serving.port()).post(path, body);
    EXPECT_EQ(r.status, 200) << path << r.body;
  };
  const std::string bytes = contents(stories()), digest = "sha256:" + sha256(bytes);
  TestClient sender(serving.port());
  sender.send(
      fmt::format("POST /api/blobs/{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                  digest, bytes.size()) +
      bytes);
  EXPECT_EQ(sender.read_response().status, 201);
  done("/api/create", {{"model", "sent"}, {"files", {{"m.gguf", digest}}}});
  done("/api/create", {{"model", "tales"}, {"from", "sent"}, {"system", "Tell."}});
  done("/api/copy", {{"source", "sent"}, {"destination", "copied"}});
  Json request = {{"model", "tales"},
                  {"stream", false},
                  {"options", {{"num_predict", 4}}},
                  {"messages", Json::array({{{"role", "user"}, {"content", "Once"}}})}};
  for (const char* model : {"sent", "tales", "copied", "stories260K.f32"}) {
    request["model"] = model;
    done("/api/chat", request);
  }
  const Json traces = TestClient(serving.port()).get("/traces").json();
  ASSERT_EQ(traces["traces"].size(), 4u) << traces;
  TestClient deleter(serving.port());
  deleter.send(
      "DELETE /api/delete HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18\r\n\r\n"
      R"({"model":"copied"})");
  EXPECT_EQ(deleter.read_response().status, 200);
  EXPECT_FALSE(std::filesystem::exists(models / "copied.gguf"));
  EXPECT_EQ(serving.stop(SIGTERM), 0);
}

TEST(Residency, TheSystemdUnitIsRightAndTight) {
  if (std::system("systemd-analyze --version > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "missing here: systemd-analyze";
  const TemporaryFolder folder;
  std::string unit = contents(R1_SOURCE "/packaging/r1.service");
  const size_t at = unit.find("/usr/bin/r1 ");
  ASSERT_NE(at, std::string::npos);
  std::ofstream(folder / "r1.service") << unit.replace(at, 11, R1_PROGRAM);
  const auto ask = [&](const std::string& question) {
    const std::string command = "systemd-analyze " + question + " " + folder / "r1.service" +
                                " > " + (folder / "said") + " 2>&1";
    return exit_code(std::system(command.c_str()));
  };
  EXPECT_EQ(ask("--man=no verify"), 0) << contents(folder / "said");
  EXPECT_EQ(contents(folder / "said"), "");
  // 0 to 100, the latter for a unit that shuts nothing away; refused above what is given.
  EXPECT_EQ(ask("security --offline=true --threshold=20"), 0) << contents(folder / "said");
}

}  // namespace
}  // namespace r1
