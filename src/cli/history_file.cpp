// The history file: one entry a line, newline and backslash escaped. Appending one line by one
// write keeps it whole whatever happens and lets sessions share it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "cli/line_reader.h"

namespace r1 {
namespace {

constexpr uint64_t kLargestFile = 16 << 20;

std::string escape(std::string_view entry) {
  std::string line;
  for (const char c : entry) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\\') {
      line += "\\\\";
    } else {
      line += c;
    }
  }
  return line;
}

std::string unescape(std::string_view line) {
  std::string entry;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\' || i + 1 == line.size()) {
      entry += line[i];
    } else {
      entry += line[++i] == 'n' ? '\n' : line[i];
    }
  }
  return entry;
}

}  // namespace

std::string history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state && *state) return std::string(state) + "/r1/history";
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.local/state/r1/history" : std::string();
}

std::vector<std::string> load_history(const std::string& path, size_t limit) {
  std::vector<std::string> entries;
  const auto text = read_file(path, kLargestFile);
  if (!text) return entries;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    entries.push_back(unescape(std::string_view(*text).substr(begin, end - begin)));
    begin = end + 1;
  }
  if (entries.size() > 2 * limit) {  // keep the file from growing for ever
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(limit));
    std::string shorter;
    for (const std::string& entry : entries) shorter += escape(entry) + '\n';
    if (write_file(path, shorter)) ::chmod(path.c_str(), 0600);
  }
  return entries;
}

bool append_history(const std::string& path, std::string_view entry) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const std::string line = escape(entry) + '\n';
  const bool whole = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  ::close(fd);
  return whole;
}

}  // namespace r1
