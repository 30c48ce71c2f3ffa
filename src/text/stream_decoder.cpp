#include "text/stream_decoder.h"

#include "text/unicode.h"

namespace r1 {

std::string StreamDecoder::feed(std::string_view bytes) {
  held_ += bytes;
  std::string out;
  size_t at = 0;
  while (at < held_.size()) {
    const Utf8Char c = decode_char(held_, at);
    if (c.status == Utf8::kTruncated) break;
    append_utf8(out, c.code);
    at += c.length;
  }
  held_.erase(0, at);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out = replace_invalid(held_);
  held_.clear();
  return out;
}

}  // namespace r1
