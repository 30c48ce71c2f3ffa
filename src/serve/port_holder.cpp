#include "serve/port_holder.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace r1 {
namespace {

namespace fs = std::filesystem;

// Inodes of listening sockets, from lines of /proc/net/tcp: "sl local_address rem_address st ...".
std::set<std::string> listening_inodes(int port) {
  std::set<std::string> inodes;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string slot, local, remote, state, skip, inode;
      words >> slot >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skip;
      words >> inode;
      if (state == "0A" && local.ends_with(fmt::format(":{:04X}", port))) inodes.insert(inode);
    }
  }
  return inodes;
}

}  // namespace

std::string port_holder(int port) {
  const auto inodes = listening_inodes(port);
  if (inodes.empty()) return "";
  std::error_code failure;
  for (const auto& process : fs::directory_iterator("/proc", failure)) {
    const std::string id = process.path().filename();
    if (id.find_first_not_of("0123456789") != id.npos) continue;
    std::error_code denied;  // other people's processes
    for (const auto& fd : fs::directory_iterator(process.path() / "fd", denied)) {
      const std::string link = fs::read_symlink(fd.path(), denied).string();
      if (!link.starts_with("socket:[") || !inodes.contains(link.substr(8, link.size() - 9)))
        continue;
      std::string called;
      std::getline(std::ifstream(process.path() / "comm"), called);
      return fmt::format("{} (process {})", called, id);
    }
  }
  return "";
}

}  // namespace r1
