// SQLite: a file, statements, transactions. One thread at a time uses a database and its
// statements; several processes may have the same file open. Errors name the file and say what
// SQLite says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace r1 {

// Parameters count from 1, columns from 0, as SQLite counts them.
class Statement {
 public:
  // Binds all parameters from ?1 on and goes back to before the first row. Texts and blobs are
  // copied.
  template <class... Values>
  Statement& with(const Values&... values) {
    restart();
    int i = 0;
    (bind(++i, values), ...);
    return *this;
  }
  Result<bool> step();  // true: there is a row; false: it is done
  Result<void> run();   // to the end, for what gives no rows

  // Of the row; NULL is 0 or empty. Views live until the next call of step() or with().
  int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  std::span<const std::byte> blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(std::string path, sqlite3_stmt* statement)
      : path_(std::move(path)), statement_(statement) {}
  void restart();
  template <class T>
  requires std::is_integral_v<T>
  void bind(int i, T value) { bind_integer(i, static_cast<int64_t>(value)); }
  void bind(int i, double value);
  void bind(int i, std::string_view value);
  void bind(int i, std::span<const std::byte> value);
  void bind(int i, std::nullptr_t);
  void bind_integer(int i, int64_t value);

  std::string path_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // Makes the file, for its owner alone, and its folder where they are missing. Written in WAL
  // mode: what is committed survives the end of the process, and readers wait for nobody.
  static Result<Database> open(const std::string& path);

  Result<void> exec(const char* sql);  // one or several statements that give no rows
  Result<Statement> prepare(std::string_view sql);
  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<sqlite3, Close> database_;
};

// All or nothing: without commit() it is undone at the end of the scope.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace r1
