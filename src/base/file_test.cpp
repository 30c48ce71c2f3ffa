#include "base/file.h"

#include <gtest/gtest.h>

#include <filesystem>

namespace r1 {
namespace {

class FileTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  size_t entries() const {
    const auto all = std::filesystem::directory_iterator(folder_);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }

 private:
  // One folder a test: tests run side by side.
  std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) /
                                  testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(FileTest, AppearsWholeOrNotAtAll) {
  {
    auto file = AtomicFile::create(path("a"));
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("half"));
    EXPECT_FALSE(file_exists(path("a")));
  }
  EXPECT_EQ(entries(), 0u);
  ASSERT_TRUE(write_file(path("a"), "whole"));
  EXPECT_EQ(*read_file(path("a"), 100), "whole");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, ErrorsNameTheFileAndTheLimit) {
  EXPECT_NE(MappedFile::open(path("absent")).error().message.find("absent"), std::string::npos);
  ASSERT_TRUE(write_file(path("big"), "0123456789"));
  EXPECT_NE(read_file(path("big"), 4).error().message.find("limit of 4 bytes"), std::string::npos);
  EXPECT_FALSE(MappedFile::open(testing::TempDir()));
  EXPECT_FALSE(AtomicFile::create(path("no/such/folder/file")));
}

TEST_F(FileTest, GrowsByRecords) {
  for (const std::string_view record : {"one\n", "two\n"}) {
    auto file = AppendFile::open(path("log"));
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append(record));
    ASSERT_TRUE(file->append(record));
  }
  EXPECT_EQ(*read_file(path("log"), 100), "one\none\ntwo\ntwo\n");
  EXPECT_FALSE(AppendFile::open(path("log/below")));
}

TEST_F(FileTest, MapsWhatWasWritten) {
  ASSERT_TRUE(write_file(path("m"), "mapped"));
  auto file = MappedFile::open(path("m"));
  ASSERT_TRUE(file);
  const MappedFile moved = std::move(*file);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(moved.bytes().data()), moved.bytes().size()),
            "mapped");
}

}  // namespace
}  // namespace r1
