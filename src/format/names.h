// Names from outside: what one may be, and how an error shows it so that it cannot steer a
// terminal.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

// Cut short, everything but printable ASCII escaped.
inline std::string visible(std::string_view name) {
  constexpr size_t kShown = 80;
  std::string text;
  for (const char c : name.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f)
      text += fmt::format("\\x{:02x}", byte);
    else
      text += c;
  }
  return name.size() > kShown ? text + "…" : text;
}

// `what` ("tensor name") may not be empty, longer than `limit` bytes, or hold control characters.
inline Result<void> check_name(std::string_view what, std::string_view name, size_t limit) {
  if (name.empty()) return error("{}: it is empty", what);
  if (name.size() > limit) {
    return error("{} {}: {} bytes long, the limit is {}", what, visible(name), name.size(), limit);
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), control)) {
    return error("{} {}: it holds a control character", what, visible(name));
  }
  return {};
}

}  // namespace r1
