// How much is under way at once and whose it is, so that one key's many keep no other out.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "serve/fields.h"

namespace r1 {

// `most` places, of which a key may have all while it is alone. Where they are taken, a key below
// its share, `most` by the number of keys that have any, gets one beyond them: it waits for nobody,
// and nobody who was let in is sent away. Who has more than a share gets none until fewer than
// `most` are taken. So k keys have at most most (1 + 1/2 + ... + 1/k) together. For any thread.
class Places {
 public:
  explicit Places(int64_t most) : most_(most) {}

  // n more for the key; or why not: 429, or 400 where n is more than there ever are.
  std::optional<Problem> take(const std::string& key, int64_t n);
  void give_back(const std::string& key, int64_t n);
  int64_t most() const { return most_; }

 private:
  const int64_t most_;
  std::mutex mutex_;
  int64_t taken_ = 0;
  std::map<std::string, int64_t> of_;  // keys that have any
};

}  // namespace r1
