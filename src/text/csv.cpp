#include "text/csv.h"

#include <algorithm>

namespace r1 {

Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  std::vector<std::vector<std::string>> rows;
  size_t line = 1;
  while (!text.empty()) {
    auto& row = rows.emplace_back();
    for (bool more = true; more;) {
      std::string& field = row.emplace_back();
      if (text.starts_with('"')) {
        const size_t first = line;
        text.remove_prefix(1);
        for (;;) {
          const size_t quote = text.find('"');
          if (quote == std::string_view::npos)
            return error("line {}: its quote does not end", first);
          field += text.substr(0, quote);
          line += static_cast<size_t>(std::count(text.begin(), text.begin() + quote, '\n'));
          text.remove_prefix(quote + 1);
          if (!text.starts_with('"')) break;
          field += '"';
          text.remove_prefix(1);
        }
        if (!text.empty() && text.find_first_of(",\r\n") != 0)
          return error("line {}: text behind a closing quote", line);
      } else {
        field = text.substr(0, text.find_first_of(",\r\n"));
        text.remove_prefix(field.size());
      }
      more = text.starts_with(',');
      if (more) text.remove_prefix(1);
    }
    if (text.starts_with('\r')) text.remove_prefix(1);
    if (text.starts_with('\n')) text.remove_prefix(1);
    ++line;
  }
  return rows;
}

}  // namespace r1
