#include "infer/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace r1 {

size_t possible_beginning(std::string_view text, std::string_view word) {
  if (word.empty()) return 0;
  for (size_t n = std::min(text.size(), word.size() - 1); n > 0; --n) {
    if (text.ends_with(word.substr(0, n))) return n;
  }
  return 0;
}

std::string StopMatcher::feed(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  size_t end = std::string::npos, complete = end;  // where the stop begins and ends
  for (const auto& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const size_t after = at + stop.size();
    if (after < complete || (after == complete && at < end)) {
      end = at, complete = after;
      stopped_by_ = stop;
    }
  }
  if (end != std::string::npos) {
    stopped_ = true;
  } else {
    size_t keep = 0;
    for (const auto& stop : stops_) keep = std::max(keep, possible_beginning(held_, stop));
    end = held_.size() - keep;
  }
  std::string released = held_.substr(0, end);
  held_.erase(0, end);
  return released;
}

std::string StopMatcher::finish() { return stopped_ ? "" : std::exchange(held_, {}); }

}  // namespace r1
