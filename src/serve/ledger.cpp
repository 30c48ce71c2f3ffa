#include "serve/ledger.h"

namespace r1 {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS usage (
  key TEXT NOT NULL, day TEXT NOT NULL, model TEXT NOT NULL,
  requests INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
  thought_tokens INTEGER NOT NULL, generated_tokens INTEGER NOT NULL, nanos INTEGER NOT NULL,
  PRIMARY KEY (key, day, model)) WITHOUT ROWID;
PRAGMA user_version = 1;)";

constexpr const char* kAdd = R"(
INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
  requests = requests + excluded.requests,
  prompt_tokens = prompt_tokens + excluded.prompt_tokens,
  cached_tokens = cached_tokens + excluded.cached_tokens,
  thought_tokens = thought_tokens + excluded.thought_tokens,
  generated_tokens = generated_tokens + excluded.generated_tokens,
  nanos = nanos + excluded.nanos)";

constexpr const char* kSpent = "SELECT sum(nanos) FROM usage WHERE key = ? AND day >= ?";

Result<int64_t> version_of(Database& database) {
  R1_TRY(auto version, database.prepare("PRAGMA user_version"));
  R1_TRY(const bool row, version.step());
  return row ? version.integer(0) : 0;
}

}  // namespace

Result<Ledger> Ledger::open(const std::string& path) {
  R1_TRY(Database database, Database::open(path));
  R1_TRY(const int64_t version, version_of(database));
  if (version > 1) return error("{}: was written by a newer r1", path);
  if (version == 0) R1_DO(database.exec(kSchema));
  R1_TRY(Statement add, database.prepare(kAdd));
  R1_TRY(Statement spent, database.prepare(kSpent));
  return Ledger(std::move(database), std::move(add), std::move(spent));
}

Result<void> Ledger::add(std::string_view key, std::string_view model, std::string_view day,
                         const Usage& u) {
  return add_
      .with(key, day, model, u.requests, u.prompt_tokens, u.cached_tokens, u.thought_tokens,
            u.generated_tokens, u.nanos)
      .run();
}

Result<int64_t> Ledger::spent(std::string_view key, std::string_view since_day) {
  R1_TRY(const bool row, spent_.with(key, since_day).step());
  const int64_t nanos = row ? spent_.integer(0) : 0;
  spent_.with();  // its read lock ends
  return nanos;
}

Result<std::vector<Ledger::Row>> Ledger::sums(By by, std::string_view key,
                                              std::string_view since_day) {
  const char* name = by == By::kDay ? "day" : by == By::kKey ? "key" : "model";
  R1_TRY(auto rows, database_.prepare(fmt::format(
                        "SELECT {0}, sum(requests), sum(prompt_tokens), sum(cached_tokens), "
                        "sum(thought_tokens), sum(generated_tokens), sum(nanos) FROM usage "
                        "WHERE (?1 = '' OR key = ?1) AND day >= ?2 GROUP BY {0} ORDER BY {0}",
                        name)));
  rows.with(key, since_day);
  std::vector<Row> all;
  for (;;) {
    R1_TRY(const bool row, rows.step());
    if (!row) return all;
    all.push_back({std::string(rows.text(0)),
                   {.requests = rows.integer(1),
                    .prompt_tokens = rows.integer(2),
                    .cached_tokens = rows.integer(3),
                    .thought_tokens = rows.integer(4),
                    .generated_tokens = rows.integer(5),
                    .nanos = rows.integer(6)}});
  }
}

}  // namespace r1
