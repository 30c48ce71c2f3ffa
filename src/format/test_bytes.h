// For tests: files written byte by byte, so that they can lie.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "format/weight_file.h"

namespace r1 {

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    data_.insert(data_.end(), p, p + sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view text) {
    for (const char c : text) data_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  Bytes& string(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }
  Bytes& pad(size_t alignment) {
    while (data_.size() % alignment) data_.push_back(std::byte{0});
    return *this;
  }
  Bytes& zeros(size_t n) {
    data_.resize(data_.size() + n);
    return *this;
  }

  // GGUF pieces.
  Bytes& gguf(uint64_t tensors, uint64_t values, uint32_t version = 3) {
    return raw("GGUF").put(version).put(tensors).put(values);
  }
  Bytes& key(std::string_view name, uint32_t type) { return string(name).put(type); }
  Bytes& tensor(std::string_view name, std::vector<uint64_t> dims, uint32_t type, uint64_t offset) {
    string(name).put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t d : dims) put(d);
    return put(type).put(offset);
  }

  // A safetensors file: header and data.
  static Bytes safetensors(std::string_view header, size_t data) {
    Bytes b;
    b.string(header).zeros(data);
    return b;
  }

  std::span<const std::byte> span() const { return data_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data_.data()), data_.size()};
  }
  size_t size() const { return data_.size(); }

 private:
  std::vector<std::byte> data_;
};

// A folder of its own that goes when the test does.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "r1-format-XXXXXX").string();
    if (!::mkdtemp(path.data())) throw std::runtime_error("cannot make " + path);
    path_ = path;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  std::string path(std::string_view name = "") const {
    return (std::filesystem::path(path_) / name).string();
  }
  std::string write(std::string_view name, std::string_view text) const {
    EXPECT_TRUE(write_file(path(name), text));
    return path(name);
  }

 private:
  std::string path_;
};

// The message of an error, or "" where there is none.
template <class T>
std::string message(const Result<T>& result) {
  return result ? "" : result.error().message;
}

// Why these bytes are refused as the file `name`, or "".
inline std::string refusal(const Bytes& bytes, const std::string& name) {
  return message(WeightFile::from_memory(name, bytes.span()));
}

// Every beginning of a valid file must be refused, and only the whole be read.
inline void expect_every_truncation_refused(const Bytes& whole, const std::string& name) {
  ASSERT_EQ(refusal(whole, name), "");
  for (size_t n = 0; n < whole.size(); ++n) {
    // A copy of its own, so that the address sanitizer sees a read past the end.
    const std::vector<std::byte> part(whole.span().begin(),
                                      whole.span().begin() + static_cast<ptrdiff_t>(n));
    EXPECT_NE(message(WeightFile::from_memory(name, part)), "") << "cut at " << n;
  }
}

#define EXPECT_SAYS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "says: " << (text)

}  // namespace r1
