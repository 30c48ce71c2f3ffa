// Token bytes -> whole UTF-8 characters while streaming: holds the bytes of an incomplete character
// until the rest arrives; what can never become one is replaced by U+FFFD, as Hugging Face's
// decoder does.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

class StreamDecoder {
 public:
  std::string feed(std::string_view bytes);  // complete characters only
  std::string finish();                      // a dangling tail as U+FFFD

 private:
  std::string held_;
};

}  // namespace r1
