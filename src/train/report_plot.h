// Curves as inline SVG. Colours come from the page's style (--c0 ... --c5, --axis), so that one
// drawing serves light and dark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "train/known_metrics.h"

namespace r1 {

struct Series {
  std::string name;
  std::vector<double> x, y;       // of one length, x ascending; what is no number is a gap
  std::vector<double> low, high;  // of y's length, or empty: a band around the curve
};

// Curves in one frame with marks on its axes and, for more than one, a legend. Long series are
// averaged to as many points as can be seen. At least one series with a number in it, or "".
std::string plot_svg(const std::vector<Series>& series, Figure figure);

// & < > " ' as entities: for text and for attributes. Control characters are dropped, bytes
// that are no UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);

}  // namespace r1
