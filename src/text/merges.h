// Merge rules of byte-pair encoding (Sennrich et al. 2016): a pair of ids -> its rank and the id it
// becomes. A flat hash table, built once, then only read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace r1 {

struct Merge {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t rank = kNever;  // lower merges first
  int32_t id = -1;
};

class Merges {
 public:
  Merges() = default;
  explicit Merges(size_t count);  // room for `count` rules

  // left, right >= 0; a later rule for the same pair replaces an earlier one.
  void add(int32_t left, int32_t right, Merge merge);
  Merge find(int32_t left, int32_t right) const;

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;
  struct Slot {
    uint64_t pair = kEmpty;
    Merge merge;
  };
  size_t locate(uint64_t pair) const;

  std::vector<Slot> slots_ = std::vector<Slot>(1);  // a power of two, at least a quarter empty
};

}  // namespace r1
