#include "serve/trace_log.h"

#include <algorithm>
#include <set>

#include "serve/digest.h"

namespace r1 {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kVersion = 1, kApplication = 0x72317472;  // "r1tr"

// Columns that are derived cannot disagree with the content. `said` is what the index has words of.
constexpr const char* kSchema = R"(
  PRAGMA application_id = 1915843698;
  PRAGMA user_version = 1;
  CREATE TABLE trace (
    id INTEGER PRIMARY KEY,
    content TEXT,
    digest TEXT NOT NULL,
    chain TEXT NOT NULL,
    time INTEGER GENERATED ALWAYS AS (json_extract(content, '$.time')) VIRTUAL,
    model TEXT GENERATED ALWAYS AS (json_extract(content, '$.model.name')) VIRTUAL,
    key TEXT GENERATED ALWAYS AS (json_extract(content, '$.key')) VIRTUAL,
    user TEXT GENERATED ALWAYS AS (json_extract(content, '$.user')) VIRTUAL);
  CREATE INDEX trace_time ON trace (time);
  CREATE INDEX trace_key ON trace (key);
  CREATE INDEX trace_user ON trace (user);
  CREATE TRIGGER trace_stays BEFORE DELETE ON trace
    BEGIN SELECT raise(ABORT, 'lines of the log are never deleted'); END;
  CREATE TRIGGER trace_holds BEFORE UPDATE ON trace
    WHEN new.content IS NOT NULL OR new.id <> old.id OR new.digest <> old.digest
      OR new.chain <> old.chain
    BEGIN SELECT raise(ABORT, 'lines of the log are never changed'); END;
  CREATE VIEW said AS SELECT id,
    coalesce((SELECT group_concat(json_extract(value, '$.content'), char(10))
              FROM json_each(content, '$.messages')), json_extract(content, '$.prompt')) AS prompt,
    json_extract(content, '$.thought') AS thought,
    json_extract(content, '$.answer') AS answer FROM trace;
  CREATE VIRTUAL TABLE words USING fts5(prompt, thought, answer,
    content = 'said', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2');
  CREATE TABLE weights (path TEXT PRIMARY KEY, stamp TEXT NOT NULL, hash TEXT NOT NULL);
)";

std::string chained(std::string_view before, int64_t id, std::string_view digest) {
  return sha256(fmt::format("{} {} {}", before, id, digest));
}

// As FTS5 wants it: every word or phrase quoted, so that none of its operators is meant.
Result<std::string> as_query(std::string_view words) {
  constexpr std::string_view kBlank(" \t\r\n\0", 5), kEnd(" \t\r\n\0\"", 6), kPhraseEnd("\0\"", 2);
  std::string query;
  size_t at = 0;
  while ((at = words.find_first_not_of(kBlank, at)) != words.npos) {
    const bool phrase = words[at] == '"';
    at += phrase;
    const size_t end = std::min(words.find_first_of(phrase ? kPhraseEnd : kEnd, at), words.size());
    std::string_view word = words.substr(at, end - at);
    at = end + (phrase && end < words.size());
    const bool prefix = !phrase && word.ends_with('*');
    while (!phrase && word.ends_with('*')) word.remove_suffix(1);
    if (word.find_first_not_of(kBlank) == word.npos) continue;
    query += fmt::format("{}\"{}\"{}", query.empty() ? "" : " ", word, prefix ? " *" : "");
  }
  if (query.empty()) return error("a search wants a word");
  return query;
}

// What somebody else put into the file may be anything.
Result<Json> parsed(const std::string& path, int64_t id, std::string_view content) {
  Json json = Json::parse(content, nullptr, false);
  if (!json.is_object())
    return error("{}: line {} is not as it was written; r1 trace verify", path, id);
  return json;
}

int64_t number_of(Result<Statement> statement) {
  if (!statement) return 0;
  const auto row = statement->step();
  return row && *row ? statement->integer(0) : 0;
}

}  // namespace

Result<TraceLog> TraceLog::open(const std::string& path, std::chrono::milliseconds patience) {
  R1_TRY(Database database, Database::open(path));
  // The schema uses functions of JSON, which SQLite 3.40 calls unsafe there: they are not.
  R1_DO(database.exec(fmt::format("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                                  "PRAGMA trusted_schema = ON;"
                                  "PRAGMA busy_timeout = {}",
                                  patience.count())
                          .c_str()));
  const auto pragma = [&](const char* sql) { return number_of(database.prepare(sql)); };
  const auto fresh = [&] {
    return pragma("PRAGMA user_version") == 0 && pragma("PRAGMA application_id") == 0 &&
           pragma("SELECT count(*) FROM sqlite_schema") == 0;
  };
  if (fresh()) {
    R1_TRY(Transaction transaction, Transaction::begin(database));
    if (fresh()) R1_DO(database.exec(kSchema));  // unless another process was first
    R1_DO(transaction.commit());
  }
  if (pragma("PRAGMA application_id") != kApplication)
    return error("{}: is a database, but no log of traces", path);
  if (const int64_t version = pragma("PRAGMA user_version"); version != kVersion)
    return error("{}: is a log of version {}, this program knows {}", path, version, kVersion);
  return TraceLog(std::move(database));
}

Result<void> TraceLog::last(int64_t& id, std::string& chain) {
  R1_TRY(auto row, database_.prepare("SELECT id, chain FROM trace ORDER BY id DESC LIMIT 1"));
  R1_TRY(const bool any, row.step());
  id = any ? row.integer(0) : 0;
  chain = any ? std::string(row.text(1)) : "";
  return {};
}

Result<void> TraceLog::add(std::string_view content, int64_t& id, std::string& chain) {
  ++id;
  const std::string digest = sha256(content);
  chain = chained(chain, id, digest);
  R1_TRY(auto insert, database_.prepare("INSERT INTO trace (id, content, digest, chain) "
                                        "VALUES (?, ?, ?, ?)"));
  return insert.with(id, content, digest, chain).run();
}

Result<void> TraceLog::append(const std::vector<std::string>& contents) {
  R1_TRY(Transaction transaction, Transaction::begin(database_));
  int64_t id = 0;
  std::string chain;
  R1_DO(last(id, chain));
  R1_TRY(auto index, database_.prepare("INSERT INTO words (rowid, prompt, thought, answer) "
                                       "SELECT id, prompt, thought, answer FROM said "
                                       "WHERE id = ?"));
  for (const std::string& content : contents) {
    R1_DO(add(content, id, chain));
    R1_DO(index.with(id).run());
  }
  return transaction.commit();
}

Result<std::vector<TraceLine>> TraceLog::list(const TraceFilter& f) {
  const bool search = !f.search.empty();
  std::string query;
  if (search) {
    R1_TRY(query, as_query(f.search));
  }
  // ?1 is the query, where there is one.
  const std::string sql = fmt::format(
      "SELECT id, content, digest, chain, {} FROM {} WHERE {} AND time IS NOT NULL "
      "AND (model IS NULL) = ?9 AND (?2 = '' OR key = ?2) AND (?3 = '' OR user = ?3) "
      "AND (?4 = '' OR model = ?4) AND time >= ?5 * 1000 AND (?6 = 0 OR time < ?6 * 1000) "
      "AND (?7 = 0 OR id < ?7) ORDER BY id DESC LIMIT ?8",
      search ? "snippet(words, -1, char(1), char(2), '…', 12)" : "''",
      search ? "words JOIN trace ON trace.id = words.rowid" : "trace",
      search ? "words MATCH ?1" : "?1 = ''");
  R1_TRY(auto rows, database_.prepare(sql));
  rows.with(query, f.key, f.user, f.model, f.since, f.until, f.before, f.limit, f.erased);
  std::vector<TraceLine> lines;
  for (;;) {
    R1_TRY(const bool more, rows.step());
    if (!more) return lines;
    TraceLine& line = lines.emplace_back();
    line.id = rows.integer(0);
    R1_TRY(line.content, parsed(path(), line.id, rows.text(1)));
    line.digest = rows.text(2);
    line.chain = rows.text(3);
    line.snippet = rows.text(4);
  }
}

Result<std::optional<TraceLine>> TraceLog::find(int64_t id) {
  R1_TRY(auto row, database_.prepare("SELECT content, digest, chain FROM trace WHERE id = ?"));
  R1_TRY(const bool any, row.with(id).step());
  if (!any) return std::optional<TraceLine>();
  TraceLine line{.id = id,
                 .content = nullptr,
                 .digest = std::string(row.text(1)),
                 .chain = std::string(row.text(2)),
                 .snippet = ""};
  if (!row.is_null(0)) {
    R1_TRY(line.content, parsed(path(), id, row.text(0)));
  }
  return std::optional(std::move(line));
}

Result<std::vector<int64_t>> TraceLog::matching(const TraceFilter& f) {
  R1_TRY(auto rows, database_.prepare("SELECT id FROM trace WHERE model IS NOT NULL "
                                      "AND (?1 = '' OR key = ?1) AND (?2 = '' OR user = ?2) "
                                      "AND (?3 = '' OR model = ?3) AND time >= ?4 * 1000 "
                                      "AND (?5 = 0 OR time < ?5 * 1000) ORDER BY id"));
  rows.with(f.key, f.user, f.model, f.since, f.until);
  std::vector<int64_t> ids;
  for (;;) {
    R1_TRY(const bool more, rows.step());
    if (!more) return ids;
    ids.push_back(rows.integer(0));
  }
}

Result<int64_t> TraceLog::erase(const std::vector<int64_t>& ids, std::string_view reason) {
  R1_TRY(const int64_t n, empty(ids, reason));
  R1_DO(purge());  // even of nothing: an earlier one may have been cut short
  return n;
}

Result<int64_t> TraceLog::empty(const std::vector<int64_t>& ids, std::string_view reason) {
  R1_TRY(Transaction transaction, Transaction::begin(database_));
  R1_TRY(auto present, database_.prepare("SELECT model IS NOT NULL FROM trace WHERE id = ?"));
  R1_TRY(auto unindex,
         database_.prepare("INSERT INTO words (words, rowid, prompt, thought, answer) "
                           "SELECT 'delete', id, prompt, thought, answer FROM said WHERE id = ?"));
  R1_TRY(auto clear, database_.prepare("UPDATE trace SET content = NULL WHERE id = ?"));
  Json erased = Json::array();
  for (const int64_t id : ids) {
    R1_TRY(const bool any, present.with(id).step());
    if (!any || present.integer(0) == 0) continue;
    R1_DO(unindex.with(id).run());
    R1_DO(clear.with(id).run());
    erased.push_back(id);
  }
  const auto n = static_cast<int64_t>(erased.size());
  if (n > 0) {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const Json event = {{"time", now.count()}, {"erased", std::move(erased)}, {"reason", reason}};
    int64_t id = 0;
    std::string chain;
    R1_DO(last(id, chain));
    R1_DO(add(event.dump(-1, ' ', false, Json::error_handler_t::replace), id, chain));
  }
  R1_DO(transaction.commit());
  return n;
}

// Until here the words are gone from what SQL shows. Merging the index drops the marks of what was
// deleted from it, VACUUM writes a new file without free pages, and the log of changes is emptied.
Result<void> TraceLog::purge() {
  R1_DO(database_.exec("INSERT INTO words (words) VALUES ('optimize')"));
  R1_DO(database_.exec("VACUUM"));
  R1_TRY(auto checkpoint, database_.prepare("PRAGMA wal_checkpoint(TRUNCATE)"));
  R1_TRY(const bool any, checkpoint.step());
  if (any && checkpoint.integer(0) == 0) return {};
  return error(
      "{}: what was erased can still be found in the bytes of {}-wal, for somebody is reading: "
      "erase again",
      path(), path());
}

Result<TraceLog::Verdict> TraceLog::verify(std::string_view noted) {
  Verdict v;
  R1_TRY(auto rows, database_.prepare("SELECT id, content, digest, chain FROM trace ORDER BY id"));
  std::set<int64_t> gone;  // without content, and no erasure has named them yet
  bool seen = noted.empty();
  const auto wrong = [&](int64_t id, std::string reason) {
    v.bad = id;
    v.reason = std::move(reason);
    return v;
  };
  for (;;) {
    R1_TRY(const bool more, rows.step());
    if (!more) break;
    const int64_t id = rows.integer(0);
    if (id != v.lines + 1) return wrong(v.lines + 1, id <= v.lines ? "stands twice" : "is missing");
    const std::string_view digest = rows.text(2);
    if (rows.is_null(1)) {
      gone.insert(id);
      ++v.erased;
    } else if (sha256(rows.text(1)) != digest) {
      return wrong(id, "its content is not what was written");
    }
    const std::string chain = chained(v.head, id, digest);
    if (chain != rows.text(3)) return wrong(id, "its hash does not follow from the line before");
    if (!rows.is_null(1)) {
      const Json content = Json::parse(rows.text(1), nullptr, false);
      if (content.is_object() && content.contains("erased")) {
        ++v.erasures;
        for (const Json& e : content["erased"])
          if (e.is_number_integer()) gone.erase(e.get<int64_t>());
      }
    }
    ++v.lines;
    v.head = chain;
    seen |= chain == noted;
  }
  if (!gone.empty())
    return wrong(*gone.begin(), "its content is gone, and no erasure in the log names it");
  if (!seen)
    return wrong(v.lines + 1,
                 "the hash that was noted is no line's: the log was cut off or made "
                 "anew since");
  return v;
}

Result<std::string> TraceLog::known_hash(const std::string& path, const std::string& stamp) {
  R1_TRY(auto row, database_.prepare("SELECT hash FROM weights WHERE path = ? AND stamp = ?"));
  R1_TRY(const bool any, row.with(path, stamp).step());
  return any ? std::string(row.text(0)) : std::string();
}

Result<void> TraceLog::know_hash(const std::string& path, const std::string& stamp,
                                 const std::string& hash) {
  R1_TRY(auto row, database_.prepare("INSERT OR REPLACE INTO weights VALUES (?, ?, ?)"));
  return row.with(path, stamp, hash).run();
}

}  // namespace r1
