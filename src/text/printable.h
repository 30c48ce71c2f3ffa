// What a terminal may be given of outside text, and the room it takes there. Raw control characters
// in what a model wrote could rewrite the screen.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

// Streams text for a terminal: C0 and C1 controls except \n and \t are dropped, bytes that are no
// UTF-8 become U+FFFD. A character cut between two calls is held until its rest arrives.
class ControlFilter {
 public:
  std::string feed(std::string_view text);
  std::string finish();

 private:
  std::string held_;
};

// A whole text through a ControlFilter, for a file name or an error in one line.
std::string printable(std::string_view text);

// The columns a text takes: 0, 1 or 2 a character.
int display_width(std::string_view text);

// The text, or as much of it as fits with an ellipsis in the given columns.
std::string fit_width(std::string_view text, int columns);

}  // namespace r1
