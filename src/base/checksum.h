// XXH3-128 of bytes that come in pieces: what tells one file or one set of weights from another.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace r1 {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  void add(std::span<const std::byte> bytes);
  std::string hex() const;  // 32 hexadecimal digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace r1
