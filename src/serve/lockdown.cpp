#include "serve/lockdown.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace r1 {
namespace {

// Rights that the headers of Debian 12 do not have yet.
constexpr uint64_t kRefer = 1u << 13, kTruncate = 1u << 14, kIoctlDevice = 1u << 15;
constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                            LANDLOCK_ACCESS_FS_REMOVE_DIR | kRefer | kTruncate;
constexpr uint64_t kOfFiles =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;

// What the C library, OpenSSL and the engine read: of memory, processors, this process, and how to
// spell times.
constexpr const char* kSystem[] = {
    "/proc/self",          "/proc/meminfo",  "/proc/cpuinfo",  "/proc/stat",  "/proc/sys/vm",
    "/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm", "/etc/ssl",    "/usr/lib/ssl",
    "/etc/localtime",      "/usr/share",     "/dev/null",      "/dev/urandom"};

class Descriptor {
 public:
  explicit Descriptor(long fd) : fd_(static_cast<int>(fd)) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<void> allow(int ruleset, const std::string& path, uint64_t rights) {
  const Descriptor file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (file.get() < 0 && (errno == ENOENT || errno == ENOTDIR)) return {};
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return error("--lockdown: cannot open {}: {}", path, std::strerror(errno));
  landlock_path_beneath_attr rule{};
  rule.parent_fd = file.get();
  rule.allowed_access = S_ISDIR(status.st_mode) ? rights : rights & kOfFiles;
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return error("--lockdown: Landlock refuses {}: {}", path, std::strerror(errno));
  return {};
}

// Calls of a server at work, by what they are about.
constexpr const char* kCalls[] = {
    // memory
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "mlock", "munlock",
    "membarrier", "mbind", "get_mempolicy",
    // threads, signals, time
    "futex", "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "getpid",
    "getppid", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam",
    "sched_getscheduler", "exit", "exit_group", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigtimedwait", "rt_sigpending", "rt_sigsuspend", "sigaltstack", "restart_syscall", "prctl",
    "arch_prctl", "getrandom", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
    "gettimeofday", "time", "getrlimit", "prlimit64", "getrusage", "sysinfo", "uname", "getcpu",
    "getuid", "geteuid", "getgid", "getegid", "umask",
    // files
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "open",
    "openat", "close", "close_range", "fstat", "stat", "lstat", "newfstatat", "statx", "statfs",
    "fstatfs", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64",
    "getcwd", "fcntl", "flock", "fsync", "fdatasync", "ftruncate", "fallocate", "fadvise64",
    "readahead", "chmod", "fchmod", "fchmodat", "fchown", "unlink", "unlinkat", "rename",
    "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "rmdir", "utimensat", "dup",
    "dup2", "dup3", "pipe2",
    // sockets there are, and waiting for them
    "accept", "accept4", "recvfrom", "recvmsg", "shutdown", "getsockname", "getpeername",
    "getsockopt", "setsockopt", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime", "poll", "ppoll", "select",
    "pselect6"};

}  // namespace

Result<void> confine_files(const Reach& reach) {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1)
    return error("--lockdown: this kernel has no Landlock (Linux 5.13, in its list of lsm=): {}",
                 std::strerror(errno));
  landlock_ruleset_attr handled{};
  handled.handled_access_fs =
      kRefer - 1;  // all of the first version; then as the kernel knows them
  if (version >= 2) handled.handled_access_fs |= kRefer;
  if (version >= 3) handled.handled_access_fs |= kTruncate;
  if (version >= 5) handled.handled_access_fs |= kIoctlDevice;
  const Descriptor ruleset(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
  if (ruleset.get() < 0) return error("--lockdown: no Landlock: {}", std::strerror(errno));
  for (const char* path : kSystem)
    R1_DO(allow(ruleset.get(), path, kRead & handled.handled_access_fs));
  for (const std::string& path : reach.read)
    R1_DO(allow(ruleset.get(), path, kRead & handled.handled_access_fs));
  for (const std::string& path : reach.write)
    R1_DO(allow(ruleset.get(), path, kWrite & handled.handled_access_fs));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return error("--lockdown: Landlock: {}", std::strerror(errno));
  return {};
}

Result<void> confine_calls() {
  // glibc falls back from what does not exist, as clone3, whose flags no filter can see.
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(
      seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), seccomp_release);
  if (!filter) return error("--lockdown: libseccomp cannot make a filter");
  int failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  const auto permit = [&](const char* name, std::vector<scmp_arg_cmp> arguments = {}) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || failed != 0) return;
    failed = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call,
                                    static_cast<unsigned>(arguments.size()), arguments.data());
  };
  for (const char* name : kCalls) permit(name);
  permit("clone", {{0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD}});
  permit("sendto", {{3, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0}});  // which would connect
  permit("sendmsg", {{2, SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0}});
  permit("tgkill", {{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()), 0}});
  constexpr scmp_datum_t kRequests[] = {FIONBIO, FIONREAD, TCGETS, TIOCGWINSZ};  // never TIOCSTI
  for (const scmp_datum_t request : kRequests) permit("ioctl", {{1, SCMP_CMP_EQ, request, 0}});
  if (failed == 0) failed = seccomp_load(filter.get());
  if (failed != 0) return error("--lockdown: no seccomp filter: {}", std::strerror(-failed));
  return {};
}

}  // namespace r1
