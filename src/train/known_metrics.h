// The figures of a run that have a name for people: the order in which they are shown, how they
// are written, what they mean. Figures that are not in the table are shown by their own name.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace r1 {

enum class Figure : uint8_t { kNumber, kPercent, kCount, kSeconds };

struct KnownMetric {
  std::string_view name;   // "groups/signal"
  std::string_view title;  // "groups with signal"
  std::string_view label;  // of the terminal, at most 12 columns; empty: not shown there
  Figure figure;
  std::string_view meaning;  // one sentence, for the report
};

std::span<const KnownMetric> known_metrics();
const KnownMetric* find_metric(std::string_view name);  // null: not in the table
std::string title_of(std::string_view name);            // itself where it is not in the table
Figure figure_of(std::string_view name);  // "eval/cons@16", "…/accuracy" and the like are shares

// "0.512", "81 %", "8,412", "3.1 s"; "–" for what is no number.
std::string format_figure(double value, Figure figure);

}  // namespace r1
