// Finds stop strings in a stream of text, cut across pieces as they may be, and holds back what may
// be the beginning of one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// The length of the longest suffix of `text` that is a proper prefix of `word`.
size_t possible_beginning(std::string_view text, std::string_view word);

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops)
      : stops_(std::move(stops)) {}  // none of them empty

  // The text that may be shown. Once a stop string is complete, that is what came before it (of two
  // complete at once, before the longer); stopped() is true and nothing more is released.
  std::string feed(std::string_view text);
  std::string finish();  // what was held
  bool stopped() const { return stopped_; }
  const std::string& stopped_by() const { return stopped_by_; }  // "" until then

 private:
  std::vector<std::string> stops_;
  std::string held_, stopped_by_;
  bool stopped_ = false;
};

}  // namespace r1
