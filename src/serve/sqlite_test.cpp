#include "serve/sqlite.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "format/test_bytes.h"
#include "tests/support/must.h"

namespace r1 {
namespace {

Database opened(const std::string& path) { return must(Database::open(path)); }

TEST(Sqlite, ValuesComeBackAsTheyWere) {
  const TemporaryFolder folder;
  Database db = opened(folder.path("new/a.db"));
  ASSERT_TRUE(db.exec("CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, n TEXT)"));
  const std::string text("a\0ü'", 5);
  const std::byte bytes[] = {std::byte{0}, std::byte{255}};
  ASSERT_TRUE(db.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)")
                  ->with(INT64_MIN, 0.1, text, std::span<const std::byte>(bytes), nullptr)
                  .run());
  auto row = db.prepare("SELECT * FROM t");
  ASSERT_TRUE(row);
  ASSERT_TRUE(*row->step());
  EXPECT_EQ(row->integer(0), INT64_MIN);
  EXPECT_EQ(row->real(1), 0.1);
  EXPECT_EQ(row->text(2), text);
  ASSERT_EQ(row->blob(3).size(), 2u);
  EXPECT_EQ(row->blob(3)[1], std::byte{255});
  EXPECT_TRUE(row->is_null(4));
  EXPECT_EQ(row->text(4), "");
  EXPECT_FALSE(*row->step());
}

TEST(Sqlite, TheFileIsItsOwnersAlone) {
  const TemporaryFolder folder;
  Database db = opened(folder.path("a.db"));
  ASSERT_TRUE(db.exec("CREATE TABLE t (i)"));
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat status {};
    ASSERT_EQ(::stat((db.path() + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777, 0600u) << suffix;
  }
}

TEST(Sqlite, ATransactionIsWholeOrNothing) {
  const TemporaryFolder folder;
  Database db = opened(folder.path("a.db"));
  ASSERT_TRUE(db.exec("CREATE TABLE t (i)"));
  const auto count = [&] {
    auto rows = db.prepare("SELECT count(*) FROM t");
    return rows && *rows->step() ? rows->integer(0) : -1;
  };
  {
    auto t = Transaction::begin(db);
    ASSERT_TRUE(t);
    ASSERT_TRUE(db.exec("INSERT INTO t VALUES (1)"));
  }
  EXPECT_EQ(count(), 0);
  {
    auto t = Transaction::begin(db);
    ASSERT_TRUE(t);
    ASSERT_TRUE(db.exec("INSERT INTO t VALUES (1)"));
    ASSERT_TRUE(t->commit());
  }
  EXPECT_EQ(count(), 1);
}

TEST(Sqlite, ErrorsNameTheFileAndTheReason) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder.path("text"), "this is no database, however long it may be"));
  const auto text = Database::open(folder.path("text"));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, folder.path("text") + ": file is not a database");
  Database db = opened(folder.path("a.db"));
  EXPECT_EQ(db.prepare("SELECT * FROM absent").error().message,
            db.path() + ": no such table: absent");
  ASSERT_TRUE(db.exec("CREATE TABLE t (i UNIQUE)"));
  auto insert = db.prepare("INSERT INTO t VALUES (?)");
  ASSERT_TRUE(insert->with(1).run());
  EXPECT_EQ(insert->with(1).run().error().message, db.path() + ": UNIQUE constraint failed: t.i");
  EXPECT_TRUE(insert->with(2).run());
  EXPECT_THROW(insert->with(1, 2), CheckFailure);
}

TEST(Sqlite, ASecondConnectionSeesWhatWasCommitted) {
  const TemporaryFolder folder;
  Database a = opened(folder.path("a.db"));
  Database b = opened(folder.path("a.db"));
  ASSERT_TRUE(a.exec("CREATE TABLE t (i); INSERT INTO t VALUES (7)"));
  auto row = b.prepare("SELECT i FROM t");
  ASSERT_TRUE(row);
  ASSERT_TRUE(*row->step());
  EXPECT_EQ(row->integer(0), 7);
}

}  // namespace
}  // namespace r1
