#include "serve/prices.h"

#include <fmt/chrono.h>

#include <charconv>
#include <cmath>

#include "base/file.h"
#include "base/toml.h"

namespace r1 {
namespace {

constexpr int64_t kNanos = 1'000'000'000;  // a dollar
constexpr double kDearest = 1000;          // dollars per million tokens: keeps sums in 64 bits
constexpr uint64_t kLargestFile = 1 << 20;

Result<void> read_price(Price& price, const toml::table& table, const std::string& where) {
  for (const auto& [key, node] : table) {
    int64_t* to = key == "cache_hit"    ? &price.cache_hit
                  : key == "cache_miss" ? &price.cache_miss
                  : key == "output"     ? &price.output
                                        : nullptr;
    if (!to)
      return error("{}.{}: no such price; cache_hit, cache_miss and output are", where, key.str());
    const auto dollars = node.value<double>();
    const double millionths = dollars.value_or(NAN) * 1e6;
    if (!(millionths >= 0 && millionths <= kDearest * 1e6) ||
        std::abs(millionths - std::round(millionths)) > 1e-3)
      return error(
          "{}.{}: dollars per million tokens from 0 to {} with at most six decimals are "
          "wanted",
          where, key.str(), kDearest);
    *to = std::llround(millionths);
  }
  return {};
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  requests += other.requests;
  prompt_tokens += other.prompt_tokens;
  cached_tokens += other.cached_tokens;
  thought_tokens += other.thought_tokens;
  generated_tokens += other.generated_tokens;
  nanos += other.nanos;
  return *this;
}

int64_t Price::of(const Usage& u) const {
  // A millionth of a dollar per million tokens is a thousandth of a nano-dollar per token.
  const int64_t thousandths = u.cached_tokens * cache_hit +
                              (u.prompt_tokens - u.cached_tokens) * cache_miss +
                              u.generated_tokens * output;
  return (thousandths + 500) / 1000;
}

Result<PriceTable> PriceTable::parse(std::string_view text, std::string_view name) {
  R1_TRY(const toml::table file, parse_toml(text, name));
  PriceTable table;
  const auto section = [&](const toml::node& node, const std::string& where,
                           Price& price) -> Result<void> {
    if (!node.is_table()) return error("{}: {}: a table of prices is wanted", name, where);
    auto read = read_price(price, *node.as_table(), where);
    if (!read) return std::move(read).error().in(name);
    return {};
  };
  for (const auto& [key, node] : file)
    if (key != "default" && key != "models")
      return error("{}: {}: no such section; [default] and [models.NAME] are", name, key.str());
  if (const toml::node* all = file.get("default")) R1_DO(section(*all, "default", table.default_));
  if (const toml::node* models = file.get("models")) {
    if (!models->is_table()) return error("{}: models: tables of prices are wanted", name);
    for (const auto& [model, node] : *models->as_table()) {
      Price price = table.default_;
      R1_DO(section(node, fmt::format("models.{}", model.str()), price));
      table.models_.emplace(model.str(), price);
    }
  }
  return table;
}

Result<PriceTable> PriceTable::read(const std::string& path) {
  R1_TRY(const std::string text, read_file(path, kLargestFile));
  return parse(text, path);
}

const Price& PriceTable::of(std::string_view model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? default_ : found->second;
}

Result<int64_t> parse_dollars(std::string_view text) {
  const auto refuse = [&] {
    return error("{:?}: dollars such as 5 or 0.25 are wanted, up to a billion", text);
  };
  std::string_view rest = text.starts_with('$') ? text.substr(1) : text;
  const size_t point = rest.find('.');
  std::string digits(rest.substr(0, point));
  std::string decimals(point == rest.npos ? "" : rest.substr(point + 1));
  if (digits.empty() || digits.size() > 9 || decimals.size() > 9 ||
      (digits + decimals).find_first_not_of("0123456789") != std::string::npos)
    return refuse();
  decimals.resize(9, '0');
  return std::stoll(digits) * kNanos + std::stoll(decimals);
}

std::string format_dollars(int64_t nanos) {
  const bool below = nanos < 0;
  const auto all = static_cast<uint64_t>(below ? -nanos : nanos);
  std::string text = fmt::format("{}${}.{:09}", below ? "-" : "", all / kNanos, all % kNanos);
  while (text.ends_with('0') && text[text.size() - 3] != '.') text.pop_back();
  return text;
}

std::string Budget::since(int64_t now) const {
  const std::string day = day_of(now);
  switch (period) {
    case Period::kDay:
      return day;
    case Period::kMonth:
      return day.substr(0, 8) + "01";
    case Period::kEver:
      break;
  }
  return "";
}

Result<Budget> parse_budget(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view period = slash == text.npos ? "" : text.substr(slash);
  Budget budget;
  if (period == "/day") {
    budget.period = Budget::Period::kDay;
  } else if (period == "/month") {
    budget.period = Budget::Period::kMonth;
  } else if (!period.empty()) {
    return error("{:?}: a budget is for a /day, a /month, or without either for ever", text);
  }
  R1_TRY(budget.nanos, parse_dollars(text.substr(0, slash)));
  return budget;
}

std::string format_budget(const Budget& budget) {
  const std::string dollars = format_dollars(budget.nanos);
  return budget.period == Budget::Period::kDay     ? dollars + " a day"
         : budget.period == Budget::Period::kMonth ? dollars + " a month"
                                                   : dollars;
}

std::string day_of(int64_t seconds) {
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

}  // namespace r1
