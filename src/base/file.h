// Files: read by mapping, written whole or not at all (law 6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace r1 {

// A read-only mapping. Spans into it live as long as it does; moving it keeps them valid.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Lets go of the whole pages within a part of a MappedFile; touched again they are read again.
void drop_pages(std::span<const std::byte> mapped);

// Streams into a temporary beside `path`; commit() makes it durable and gives it its name. Without
// commit nothing is left behind.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();

  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view text);
  Result<void> commit();
  uint64_t size() const { return size_; }  // bytes written so far

 private:
  AtomicFile(std::string path, std::string temporary, int fd);

  std::string path_, temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

// Grows a file by records: what append() returned from is in the file, whatever then happens to the
// process. A kill within append() can leave a part of that record, for readers to drop.
class AppendFile {
 public:
  static Result<AppendFile> open(const std::string& path);  // made if it does not exist
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&&) = delete;
  ~AppendFile();

  Result<void> append(std::string_view bytes);

 private:
  AppendFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

// The whole file; refuses one larger than `limit` bytes.
Result<std::string> read_file(const std::string& path, uint64_t limit);
Result<void> write_file(const std::string& path, std::string_view text);
bool file_exists(const std::string& path);

// Folders that appear whole: all that is in `made` is durable; it takes the name `path`, and what
// had that name is gone. At no moment is there half of either.
Result<void> make_folder(const std::string& path);
Result<void> remove_folder(
    const std::string& path);  // and all that is in it; fine if there is none
Result<void> rename_folder(const std::string& from, const std::string& to);  // durable
Result<void> replace_folder(const std::string& made, const std::string& path);

}  // namespace r1
