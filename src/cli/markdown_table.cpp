#include "cli/markdown_table.h"

#include <algorithm>
#include <string_view>

#include "cli/markdown_spans.h"

namespace r1 {

namespace {

struct Cell {
  std::string text;  // with its styles
  int width = 0;     // in columns
};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The cells between the bars; \| is no bar.
std::vector<std::string> split(std::string_view row) {
  row = trimmed(row);
  row.remove_prefix(1);
  std::vector<std::string> cells(1);
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i] == '\\' && i + 1 < row.size() && row[i + 1] == '|') {
      cells.back() += row[++i];
    } else if (row[i] == '|') {
      cells.emplace_back();
    } else {
      cells.back() += row[i];
    }
  }
  if (cells.size() > 1 && trimmed(cells.back()).empty()) cells.pop_back();
  return cells;
}

bool is_separator(const std::vector<std::string>& cells) {
  return std::all_of(cells.begin(), cells.end(), [](const std::string& cell) {
    const std::string_view marks = trimmed(cell);
    return !marks.empty() && marks.find_first_not_of(":-") == std::string_view::npos &&
           marks.find('-') != std::string_view::npos;
  });
}

// The width of what is shown: escape codes have none.
int shown_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const size_t escape = std::min(text.find('\x1b'), text.size());
    width += display_width(text.substr(0, escape));
    text.remove_prefix(escape);
    if (!text.empty()) text.remove_prefix(std::min(text.find('m'), text.size() - 1) + 1);
  }
  return width;
}

Cell render_cell(std::string_view text, const Styles& styles, std::string_view style) {
  SpanRenderer spans(styles);
  Cell cell;
  spans.render(trimmed(text), true, style, cell.text);
  cell.width = shown_width(cell.text);
  return cell;
}

std::string padded(const Cell& cell, int width, std::string_view alignment) {
  const int room = std::max(width - cell.width, 0);
  const bool right = alignment.ends_with(':');
  const int left = right ? (alignment.starts_with(':') ? room / 2 : room) : 0;
  return std::string(static_cast<size_t>(left), ' ') + cell.text +
         std::string(static_cast<size_t>(room - left), ' ');
}

}  // namespace

std::string render_table(const std::vector<std::string>& rows, const Styles& styles, int width) {
  std::vector<std::vector<std::string>> texts;
  for (const std::string& row : rows) texts.push_back(split(row));
  std::string out;
  if (texts.size() < 2 || !is_separator(texts[1])) {
    for (const std::string& row : rows) {
      SpanRenderer(styles).render(row, true, "", out);
      out += '\n';
    }
    return out;
  }
  std::vector<std::vector<Cell>> cells;
  std::vector<int> widths;
  for (size_t r = 0; r < texts.size(); ++r) {
    if (r == 1) continue;
    std::vector<Cell>& line = cells.emplace_back();
    for (size_t c = 0; c < texts[r].size(); ++c) {
      line.push_back(render_cell(texts[r][c], styles, r == 0 ? styles.bold : std::string_view{}));
      if (widths.size() <= c) widths.push_back(0);
      widths[c] = std::max(widths[c], line[c].width);
    }
  }
  int total = 0;
  for (const int w : widths) total += w + 3;
  const bool fits = total - 3 <= width;
  const std::string bar = std::string(styles.dim) + "│" + std::string(styles.reset);
  for (size_t r = 0; r < cells.size(); ++r) {
    for (size_t c = 0; c < cells[r].size(); ++c) {
      if (c > 0) out += " " + bar + " ";
      const std::string_view alignment =
          c < texts[1].size() ? trimmed(texts[1][c]) : std::string_view{};
      out += fits ? padded(cells[r][c], widths[c], alignment) : cells[r][c].text;
    }
    out += '\n';
    if (r > 0 || !fits) continue;
    out += styles.dim;
    for (size_t c = 0; c < widths.size(); ++c) {
      if (c > 0) out += "─┼─";
      for (int i = 0; i < widths[c]; ++i) out += "─";
    }
    out += styles.reset;
    out += '\n';
  }
  return out;
}

}  // namespace r1
