#include "serve/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"

namespace r1 {
namespace {

constexpr int kPatienceMs = 10'000;  // for another process that writes

Error failure(const std::string& path, sqlite3* database) {
  return error("{}: {}", path, sqlite3_errmsg(database));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

void Statement::restart() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

// What a bind can be refused for is ours: a parameter that the text does not have.
void Statement::bind_integer(int i, int64_t value) {
  R1_CHECK(sqlite3_bind_int64(statement_.get(), i, value) == SQLITE_OK);
}
void Statement::bind(int i, double value) {
  R1_CHECK(sqlite3_bind_double(statement_.get(), i, value) == SQLITE_OK);
}
void Statement::bind(int i, std::string_view value) {
  R1_CHECK(sqlite3_bind_text64(statement_.get(), i, value.data() ? value.data() : "", value.size(),
                               SQLITE_TRANSIENT, SQLITE_UTF8) == SQLITE_OK);
}
void Statement::bind(int i, std::span<const std::byte> value) {
  const void* data = value.empty() ? "" : static_cast<const void*>(value.data());
  R1_CHECK(sqlite3_bind_blob64(statement_.get(), i, data, value.size(), SQLITE_TRANSIENT) ==
           SQLITE_OK);
}
void Statement::bind(int i, std::nullptr_t) {
  R1_CHECK(sqlite3_bind_null(statement_.get(), i) == SQLITE_OK);
}

Result<bool> Statement::step() {
  const int status = sqlite3_step(statement_.get());
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) return false;
  const Error e = failure(path_, sqlite3_db_handle(statement_.get()));
  sqlite3_reset(statement_.get());
  return e;
}

Result<void> Statement::run() {
  for (;;) {
    R1_TRY(const bool row, step());
    if (row) continue;
    sqlite3_reset(statement_.get());  // else its locks would stay
    return {};
  }
}

int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}
double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }
std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  const auto n = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column));
  return data ? std::string_view(data, n) : std::string_view();
}
std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  return {data, static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Result<Database> Database::open(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) R1_DO(make_folder(folder.string()));
  // SQLite gives the files it makes beside this one the same rights.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return error("cannot open {}: {}", path, std::strerror(errno));
  ::close(fd);
  Database database(path);
  sqlite3* handle = nullptr;
  const int status = sqlite3_open_v2(path.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  database.database_.reset(handle);
  if (status != SQLITE_OK) return error("cannot open {}: {}", path, sqlite3_errstr(status));
  sqlite3_busy_timeout(handle, kPatienceMs);
  R1_DO(
      database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                    "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
                    "PRAGMA foreign_keys = ON;"));
  return database;
}

Result<void> Database::exec(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure(path_, database_.get());
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &statement,
                         nullptr) != SQLITE_OK)
    return failure(path_, database_.get());
  return Statement(path_, statement);
}

Result<Transaction> Transaction::begin(Database& database) {
  R1_DO(database.exec("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_) (void)static_cast<bool>(database_->exec("ROLLBACK"));
}

Result<void> Transaction::commit() {
  R1_DO(database_->exec("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace r1
