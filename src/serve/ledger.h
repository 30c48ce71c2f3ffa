// What was used, per key, model and day, in SQLite: sums alone, nothing of what was said.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "serve/prices.h"
#include "serve/sqlite.h"

namespace r1 {

class Ledger {
 public:
  // Makes the file where it is missing. One thread at a time; several processes may share a file.
  static Result<Ledger> open(const std::string& path);

  // key: its id, or "-". What it was called for is in the file when this returns.
  Result<void> add(std::string_view key, std::string_view model, std::string_view day,
                   const Usage& usage);
  Result<int64_t> spent(std::string_view key, std::string_view since_day);  // nano-dollars

  enum class By { kDay, kKey, kModel };
  struct Row {
    std::string name;  // the day, the key's id or the model
    Usage usage;
  };
  // Sums in the order of their names, since a day ("": the first); key "": of all.
  Result<std::vector<Row>> sums(By by, std::string_view key, std::string_view since_day);

 private:
  Ledger(Database database, Statement add, Statement spent)
      : database_(std::move(database)), add_(std::move(add)), spent_(std::move(spent)) {}

  Database database_;
  Statement add_, spent_;
};

}  // namespace r1
