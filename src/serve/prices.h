// What tokens cost and what may be spent, in whole numbers: prices in millionths of a dollar per
// million tokens, sums in billionths of a dollar (nano-dollars).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

// Of one answer, or of many.
struct Usage {
  int64_t requests = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0;  // the latter are of the former
  int64_t thought_tokens = 0, generated_tokens = 0;
  int64_t nanos = 0;  // what it cost

  Usage& operator+=(const Usage& other);
};

// Dollars per million tokens: prompts found in the cache, prompts computed, and what is generated.
// As given: DeepSeek-R1's at its launch in January 2025.
struct Price {
  int64_t cache_hit = 140'000, cache_miss = 550'000, output = 2'190'000;

  // Nano-dollars, rounded to the nearest; exact for prices of at most three decimals.
  int64_t of(const Usage& usage) const;
};

// A file of prices, TOML:
//   [default]                  # of every model that has no own
//   cache_hit = 0.14
//   cache_miss = 0.55
//   output = 2.19
//   [models."qwen-7b"]         # what is left out is as the default
//   output = 0
class PriceTable {
 public:
  static Result<PriceTable> parse(std::string_view text, std::string_view name);
  static Result<PriceTable> read(const std::string& path);
  const Price& of(std::string_view model) const;

 private:
  Price default_;
  std::map<std::string, Price, std::less<>> models_;
};

// "5", "0.25", "$5.00": at most nine decimals, not below 0.
Result<int64_t> parse_dollars(std::string_view text);
std::string format_dollars(int64_t nanos);  // "$5.00", "$0.0000123": all decimals, at least two

// What a key may spend, in all or in each day or month (UTC).
struct Budget {
  enum class Period { kEver, kDay, kMonth };
  int64_t nanos = -1;  // below 0: as much as it likes
  Period period = Period::kEver;

  bool limited() const { return nanos >= 0; }
  std::string since(int64_t now) const;  // the first day that counts: "2026-11-01", "" for ever
};
Result<Budget> parse_budget(std::string_view text);  // "5.00", "5.00/day", "5.00/month"
std::string format_budget(const Budget& budget);     // "$5.00 a month"

std::string day_of(int64_t seconds);  // since 1970: "2026-11-27"

}  // namespace r1
