// Keys of a server's users: shown once, when they are made, and kept as SHA-256 of 256 random bits,
// so that the file gives none away. A server sees changes of the file at the next request.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/prices.h"

namespace r1 {

struct Key {
  std::string id = {};  // the first 8 digits of the hash: names it in lists, logs and `revoke`
  std::string hash = {}, name = {};
  std::vector<std::string> scopes = {"use"};
  int64_t created = 0, expires = 0;  // seconds since 1970; expires 0: never
  Budget budget = {};
  int64_t requests_per_minute = 0, tokens_per_minute = 0;  // 0: as many as it likes

  bool allows(std::string_view scope) const;
  bool expired(int64_t now) const { return expires != 0 && now >= expires; }
};

// use: ask models; models: load, copy and delete them; metrics: /metrics; traces: read the log.
inline constexpr std::string_view kScopes[] = {"use", "models", "metrics", "traces"};

// A file of keys, written whole or not at all.
class KeyFile {
 public:
  explicit KeyFile(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  Result<std::vector<Key>> read() const;  // none where the file is absent
  struct Made {
    Key key;
    std::string secret;  // "r1-...": to be told now or never
  };
  Result<Made> create(Key wanted) const;  // all but id, hash and created, which it gets here
  Result<Key> revoke(std::string_view id_or_name) const;

 private:
  Result<void> write(const std::vector<Key>& keys) const;
  std::string path_;
};

std::string key_path();  // state_path("keys.json")

// What the gate asks.
class Keyring {
 public:
  explicit Keyring(KeyFile file) : file_(std::move(file)) {}

  Result<bool> any();                                // whether there are keys at all
  std::optional<Key> find(std::string_view secret);  // one that has expired too

 private:
  Result<void> refresh();  // with the lock held

  KeyFile file_;
  std::mutex mutex_;
  std::vector<Key> keys_;
  std::optional<std::string> stamp_;  // of the file, when it was read
};

}  // namespace r1
