// Token texts: one arena in id order, and a flat hash table from text to id. Built once, then only
// read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace r1 {

// Strings by id, back to back in one arena.
class TextArena {
 public:
  void reserve(size_t count, size_t bytes);
  void push(std::string_view text);
  size_t size() const { return ends_.size() - 1; }
  std::string_view operator[](size_t id) const {
    return std::string_view(bytes_).substr(ends_[id], ends_[id + 1] - ends_[id]);
  }

 private:
  std::string bytes_;
  std::vector<uint64_t> ends_ = {0};
};

class Vocab {
 public:
  static constexpr int32_t kAbsent = -1;

  Vocab() = default;
  // indexed[id]: whether find() may return id; of equal texts the last indexed id wins.
  Vocab(TextArena texts, const std::vector<bool>& indexed);

  size_t size() const { return texts_.size(); }
  std::string_view operator[](size_t id) const { return texts_[id]; }
  int32_t find(std::string_view text) const;
  size_t longest() const { return longest_; }  // bytes of the longest indexed text

 private:
  struct Slot {
    uint32_t tag = 0;  // upper hash bits: spares most comparisons
    int32_t id = kAbsent;
  };
  // Where `text` stands, or the empty slot where it would.
  size_t locate(std::string_view text, uint64_t hash) const;

  TextArena texts_;
  std::vector<Slot> slots_ = std::vector<Slot>(1);  // a power of two, at least half empty
  size_t longest_ = 0;
};

}  // namespace r1
