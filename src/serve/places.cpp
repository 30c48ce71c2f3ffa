#include "serve/places.h"

#include <fmt/format.h>

#include <algorithm>

namespace r1 {

std::optional<Problem> Places::take(const std::string& key, int64_t n) {
  if (n > most_)
    return Problem{.message = fmt::format("the request is for {} answers at once, at most {} are "
                                          "taken: ask for fewer, or start the server with a "
                                          "larger --queue",
                                          n, most_)};
  const std::lock_guard lock(mutex_);
  const auto found = of_.find(key);
  const bool first = found == of_.end();
  const int64_t own = n + (first ? 0 : found->second), all = n + taken_;
  const int64_t share = std::max<int64_t>(most_ / (std::ssize(of_) + first), 1);
  if (all > most_ && own > share)
    return Problem{.status = 429,
                   .message = fmt::format("server busy: with this request {} answers would be "
                                          "under way, {} of this key, whose share of {} is {}; "
                                          "try again later",
                                          all, own, most_, share),
                   .code = "rate_limit_exceeded",
                   .retry_after = 1};
  taken_ = all;
  of_[key] = own;
  return std::nullopt;
}

void Places::give_back(const std::string& key, int64_t n) {
  const std::lock_guard lock(mutex_);
  taken_ -= n;
  if ((of_[key] -= n) == 0) of_.erase(key);
}

}  // namespace r1
