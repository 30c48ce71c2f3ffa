#include "text/printable.h"

#include <utf8proc.h>

namespace r1 {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The bytes a character takes by its first one; 1 where none begins.
size_t expected_size(unsigned char first) {
  return first >= 0xF0 && first < 0xF5 ? 4
         : first >= 0xE0               ? (first < 0xF0 ? 3 : 1)
         : first >= 0xC2               ? 2
                                       : 1;
}

bool is_continuation(char c) { return (c & 0xC0) == 0x80; }

}  // namespace

std::string ControlFilter::feed(std::string_view text) {
  std::string out;
  if (!held_.empty()) {
    held_.append(text);
    text = held_;
  }
  size_t i = 0;
  while (i < text.size()) {
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i);
    if (bytes[0] < 0x80) {
      if ((bytes[0] >= 0x20 && bytes[0] != 0x7F) || bytes[0] == '\n' || bytes[0] == '\t')
        out += text[i];
      ++i;
      continue;
    }
    const size_t expected = expected_size(bytes[0]), left = text.size() - i;
    size_t present = 1;
    while (present < expected && present < left && is_continuation(text[i + present])) ++present;
    if (present == left && present < expected) break;  // its rest may come
    utf8proc_int32_t code;
    const utf8proc_ssize_t size =
        utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(left), &code);
    if (size <= 0) {
      out += kReplacement;
      ++i;
      continue;
    }
    if (code >= 0xA0) out.append(text, i, static_cast<size_t>(size));
    i += static_cast<size_t>(size);
  }
  held_ = std::string(text.substr(i));
  return out;
}

std::string ControlFilter::finish() {
  const bool dangling = !held_.empty();
  held_.clear();
  return std::string(dangling ? kReplacement : "");
}

std::string printable(std::string_view text) {
  ControlFilter filter;
  std::string out = filter.feed(text);
  return out + filter.finish();
}

int display_width(std::string_view text) {
  int width = 0;
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t code;
    const utf8proc_ssize_t size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + i),
                         static_cast<utf8proc_ssize_t>(text.size() - i), &code);
    width += size > 0 ? utf8proc_charwidth(code) : 1;
    i += size > 0 ? static_cast<size_t>(size) : 1;
  }
  return width;
}

std::string fit_width(std::string_view text, int columns) {
  if (display_width(text) <= columns) return std::string(text);
  std::string out;
  for (int width = 0; !text.empty();) {
    utf8proc_int32_t code;
    const utf8proc_ssize_t size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                         static_cast<utf8proc_ssize_t>(text.size()), &code);
    width += size > 0 ? utf8proc_charwidth(code) : 1;
    if (width >= columns) break;
    const auto bytes = size > 0 ? static_cast<size_t>(size) : 1;
    out += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return columns > 0 ? out + "…" : out;
}

}  // namespace r1
