// What keys may do and did: the gate asks before a request, and is told of the usage after.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "serve/fields.h"
#include "serve/keys.h"
#include "serve/ledger.h"
#include "serve/prices.h"

namespace r1 {

class Accounts {
 public:
  using Failed = std::function<void(std::string_view message)>;

  // Without a ledger nothing is kept, and keys with a budget are refused. `failed` hears of faults
  // of the ledger.
  explicit Accounts(PriceTable prices = {}, std::optional<Ledger> ledger = {}, Failed failed = {})
      : prices_(std::move(prices)), ledger_(std::move(ledger)), failed_(std::move(failed)) {}

  // What stands against one more request: 429 where the key is too fast, and for one that `spends`,
  // 402 where its budget is used up. Answers that are under way are not known yet: they may go over
  // a budget, by what they cost. now: seconds since 1970.
  std::optional<Problem> admit(const Key& key, bool spends, int64_t now);

  // Of an answer, as it ended: writes it down, or later if that fails now; gives its cost in
  // nano-dollars.
  int64_t charge(std::string_view key, std::string_view model, Usage usage, int64_t now);

  void set_prices(PriceTable prices);

 private:
  // An allowance that refills evenly; what is taken beyond it must refill first.
  struct Bucket {
    double left = 0;
    int64_t at = 0;
    // Seconds until one may be taken; 0: now.
    int wait(int64_t a_minute, int64_t now);
  };
  struct Pace {
    Bucket requests, tokens;
  };
  struct Entry {
    std::string key, model, day;
    Usage usage;
  };
  bool write();  // all entries; these two with the lock held
  std::optional<Problem> over_budget(const Key& key, int64_t now);

  std::mutex mutex_;
  PriceTable prices_;
  std::optional<Ledger> ledger_;
  Failed failed_;
  std::deque<Entry> unwritten_;
  std::map<std::string, Pace, std::less<>> paces_;  // by id, of keys with limits
};

}  // namespace r1
