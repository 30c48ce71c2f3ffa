#include "infer/memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/units.h"
#include "tensor/kv_pages.h"

namespace r1 {
namespace {

constexpr uint64_t kLargestReserve = 1ull
                                     << 30;  // left for activations and the rest of the machine
constexpr int64_t kContexts = 4;             // in the cache, where there is room

// The files of /proc and /sys have no size to check before reading; their lines are short.
std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::optional<uint64_t> leading_number(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{})
    return std::nullopt;
  return value;
}

// The number after `key` at the beginning of a line.
std::optional<uint64_t> field(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) return leading_number(std::string_view(line).substr(key.size()));
  }
  return std::nullopt;
}

// What a cgroup leaves: its limit less what it uses, where cached file pages that can be dropped do
// not count.
std::optional<uint64_t> cgroup_room(const std::string& folder, const char* limit_file,
                                    const char* usage_file, std::string_view cache_key) {
  const auto limit = leading_number(contents(folder + limit_file));  // "max" is no number
  const auto usage = leading_number(contents(folder + usage_file));
  if (!limit || !usage) return std::nullopt;
  const uint64_t dropped =
      std::min(field(contents(folder + "/memory.stat"), cache_key).value_or(0), *usage);
  return *limit - std::min(*limit, *usage - dropped);
}

uint64_t reserve(uint64_t free) { return std::min(free / 4, kLargestReserve); }

}  // namespace

Result<uint64_t> available_memory(const std::string& root) {
  const auto available = field(contents(root + "/proc/meminfo"), "MemAvailable:");
  if (!available) return error("cannot read MemAvailable from {}/proc/meminfo", root);
  uint64_t room = *available * 1024;
  const auto within = [&room](std::optional<uint64_t> other) {
    room = std::min(room, other.value_or(room));
  };

  // Lines are "id:controllers:path": version 2 has "0::/path", version 1 "n:memory:/path". Every
  // ancestor limits, and inside a container the path may lie outside of what is mounted: then the
  // mount itself is our group.
  std::istringstream lines(contents(root + "/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",memory,") == std::string::npos) continue;
    const std::string mount = root + (v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    for (std::string path = line.substr(second + 1);;) {
      while (path.ends_with('/')) path.pop_back();
      within(v2 ? cgroup_room(mount + path, "/memory.max", "/memory.current", "inactive_file ")
                : cgroup_room(mount + path, "/memory.limit_in_bytes", "/memory.usage_in_bytes",
                              "total_inactive_file "));
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return room;
}

Result<ContextPlan> plan_context(uint64_t free, uint64_t per_token, int64_t own, int64_t asked) {
  R1_CHECK(per_token > 0);
  if (asked < 0)
    return error("context is {}: it must be 0 (what fits) or a number of tokens", asked);
  if (asked > own) return error("context {} asked: the model's own is {} tokens", asked, own);
  const uint64_t budget = free - reserve(free);
  constexpr auto kMost =
      int64_t{std::numeric_limits<int32_t>::max() - 1};  // positions and pages are 32 bits wide
  const int64_t affordable =
      static_cast<int64_t>(std::min<uint64_t>(budget / per_token, kMost)) / kKvPage * kKvPage;
  const int64_t wanted = asked > 0 ? asked : std::min(own, std::max<int64_t>(affordable, kKvPage));
  if (wanted > affordable) {
    return error(
        "a context of {} tokens needs {} of memory for keys and values, {} are free: {} tokens "
        "would fit",
        wanted, format_bytes(static_cast<uint64_t>(wanted) * per_token), format_bytes(budget),
        affordable);
  }
  const int64_t positions =
      std::min(affordable, kContexts * ((wanted + kKvPage - 1) / kKvPage) * kKvPage);
  return ContextPlan{.context = wanted, .pages = static_cast<int32_t>(positions / kKvPage)};
}

uint64_t room_for(uint64_t kv) { return kv + std::min(kv / 3 + 1, kLargestReserve); }

uint64_t usable_gpu_memory(uint64_t bytes) {
  constexpr uint64_t kKept = 768ull << 20;
  const uint64_t usable = bytes / 20 * 19;
  return usable - std::min(usable, kKept);
}

ExpertPlan plan_experts(uint64_t memory, uint64_t resident, uint64_t experts, uint64_t kv) {
  const uint64_t needed = resident + kv;
  if (needed >= memory) return {};
  const uint64_t free = memory - needed;
  const uint64_t cache = std::min(experts, free - reserve(free));
  return {.runs = cache > 0, .cache = cache};
}

}  // namespace r1
