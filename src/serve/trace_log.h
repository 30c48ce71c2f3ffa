// The log of traces: one SQLite file. Lines are only ever added, and each line's hash covers its
// content's hash and the line before, so that a change of any is found. Erasing takes the content
// out of the file, its index and its free pages, and leaves the hash of it: the chain still holds.
// Each erasure is a line of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/sqlite.h"

namespace r1 {

struct TraceFilter {
  std::string key = {}, user = {}, model = {};  // "": all
  int64_t since = 0, until = 0;  // seconds since 1970, since <= t < until; 0: no bound
  int64_t before = 0;            // ids below; 0: all
  std::string search = {};       // words that all occur; "a phrase"; begin*
  bool erased = false;           // erasures instead, which have no key, user, model and words
  int64_t limit = 50;
};

struct TraceLine {
  int64_t id = 0;
  nlohmann::ordered_json content;  // null: erased
  std::string digest, chain;
  std::string snippet;  // where a search found it, the words between \x01 and \x02
};

class TraceLog {
 public:
  // Made where there is none. Refuses a file that is another program's, or a newer version's.
  // patience: how long to wait for another process that writes.
  static Result<TraceLog> open(const std::string& path,
                               std::chrono::milliseconds patience = std::chrono::seconds(10));
  const std::string& path() const { return database_.path(); }

  // All or none of them, durably.
  Result<void> append(const std::vector<std::string>& contents);

  // Newest first; none that was erased.
  Result<std::vector<TraceLine>> list(const TraceFilter& filter);
  // An erasure's content has `erased`, the ids, and no model.
  Result<std::optional<TraceLine>> find(int64_t id);

  // Ids of what the filter finds, but for its search and limit.
  Result<std::vector<int64_t>> matching(const TraceFilter& filter);
  // Those that were there to be erased. `reason` stays in the log.
  Result<int64_t> erase(const std::vector<int64_t>& ids, std::string_view reason);

  struct Verdict {
    int64_t lines = 0, erased = 0, erasures = 0;
    std::string head;    // hash of the last line: whoever keeps it can find later cuts
    int64_t bad = 0;     // the first line that is not as it was written; 0: there is none
    std::string reason;  // what is wrong with it
  };
  // head: one that was noted earlier and must be the hash of a line; "": none was.
  Result<Verdict> verify(std::string_view head);

  // A hash kept beside a stamp of the files it was taken of; "" where the stamp is another.
  Result<std::string> known_hash(const std::string& path, const std::string& stamp);
  Result<void> know_hash(const std::string& path, const std::string& stamp,
                         const std::string& hash);

 private:
  explicit TraceLog(Database database) : database_(std::move(database)) {}
  Result<void> add(std::string_view content, int64_t& id, std::string& chain);
  Result<void> last(int64_t& id, std::string& chain);
  Result<int64_t> empty(const std::vector<int64_t>& ids, std::string_view reason);
  Result<void> purge();

  Database database_;
};

}  // namespace r1
