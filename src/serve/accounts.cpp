#include "serve/accounts.h"

#include <algorithm>
#include <cmath>

namespace r1 {

int Accounts::Bucket::wait(int64_t a_minute, int64_t now) {
  const auto most = static_cast<double>(a_minute);
  const double elapsed = static_cast<double>(std::max<int64_t>(now - at, 0));
  left = at == 0 ? most : std::min(most, left + most / 60 * elapsed);
  at = now;
  if (left >= 1) return 0;
  return static_cast<int>(std::min(std::ceil((1 - left) * 60 / most), 86400.0));
}

std::optional<Problem> Accounts::admit(const Key& key, bool spends, int64_t now) {
  const std::lock_guard lock(mutex_);
  if (key.requests_per_minute > 0 || key.tokens_per_minute > 0) {
    Pace& pace = paces_[key.id];
    const auto too_fast = [&](int64_t limit, std::string_view what, int wait) {
      return Problem{.status = 429,
                     .message = fmt::format("this key may have {} {} a minute: the next in {} s",
                                            limit, what, wait),
                     .code = "rate_limit_exceeded",
                     .retry_after = wait};
    };
    if (key.tokens_per_minute > 0 && spends) {
      const int wait = pace.tokens.wait(key.tokens_per_minute, now);
      if (wait > 0) return too_fast(key.tokens_per_minute, "tokens", wait);
    }
    if (key.requests_per_minute > 0) {
      const int wait = pace.requests.wait(key.requests_per_minute, now);
      if (wait > 0) return too_fast(key.requests_per_minute, "requests", wait);
      pace.requests.left -= 1;
    }
  }
  if (spends && key.budget.limited()) return over_budget(key, now);
  return std::nullopt;
}

bool Accounts::write() {
  if (!ledger_) return false;
  for (; !unwritten_.empty(); unwritten_.pop_front()) {
    const Entry& e = unwritten_.front();
    if (const auto added = ledger_->add(e.key, e.model, e.day, e.usage); !added) {
      if (failed_) failed_(added.error().message);
      return false;
    }
  }
  return true;
}

std::optional<Problem> Accounts::over_budget(const Key& key, int64_t now) {
  const Problem unknown{.status = 503,
                        .message = "what this key has spent cannot be told now; try again later",
                        .retry_after = 10};
  if (!write()) return unknown;
  const auto spent = ledger_->spent(key.id, key.budget.since(now));
  if (!spent) {
    if (failed_) failed_(spent.error().message);
    return unknown;
  }
  if (*spent < key.budget.nanos) return std::nullopt;
  return Problem{.status = 402,
                 .message = fmt::format("the budget of this key is used up: {} of {}",
                                        format_dollars(*spent), format_budget(key.budget)),
                 .code = "insufficient_quota"};
}

int64_t Accounts::charge(std::string_view key, std::string_view model, Usage usage, int64_t now) {
  const std::lock_guard lock(mutex_);
  usage.nanos = prices_.of(model).of(usage);
  if (const auto pace = paces_.find(key); pace != paces_.end())
    pace->second.tokens.left -= static_cast<double>(usage.prompt_tokens + usage.generated_tokens);
  if (ledger_) {
    unwritten_.push_back({std::string(key), std::string(model), day_of(now), usage});
    write();
  }
  return usage.nanos;
}

void Accounts::set_prices(PriceTable prices) {
  const std::lock_guard lock(mutex_);
  prices_ = std::move(prices);
}

}  // namespace r1
