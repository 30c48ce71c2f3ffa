// Prompt lookup: what followed the last time the same tokens stood here is the guess. Code that is
// edited, text that is quoted, a thought that repeats itself go on as before; for everything else
// nothing is found and nothing is lost. Works for every model.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "infer/speculation.h"

namespace r1 {

// Finds earlier occurrences of the end of a text: LZ77's matcher, a chain of positions for every
// hash of three tokens, the latest first.
class TokenHistory {
 public:
  static constexpr int64_t kShortest = 3, kLongest = 32;  // tokens of a match

  struct Match {
    int64_t length = 0;  // tokens before it that are the same, kShortest .. kLongest; 0: none
    int64_t next = 0;    // index of the token that followed
  };

  // Has the memory for so many tokens from the beginning, and keeps it.
  explicit TokenHistory(int64_t tokens = 0);

  void append(std::span<const int32_t> tokens);
  void clear();
  // The longest match of the end of `tokens`, the latest of those.
  Match find(std::span<const int32_t> tokens) const;
  int64_t size() const { return std::ssize(tokens_); }
  int32_t operator[](int64_t i) const { return tokens_[static_cast<size_t>(i)]; }

 private:
  std::vector<int32_t> tokens_;
  std::vector<int32_t> heads_;  // by hash: where the latest such tokens end; 0: nowhere
  std::vector<int32_t> links_;  // by end: where the ones before it end
};

class Lookup final : public Speculator {
 public:
  // shared: tokens that are kept of what other sequences said; 0: every sequence looks into itself
  // alone.
  explicit Lookup(int64_t shared = 1 << 19)
      : shared_(shared), recent_(shared / 2), older_(shared / 2) {}

  void look(Draft& draft) override;
  void forget(uint64_t number) override { own_.erase(number); }
  void end(uint64_t number, std::span<const int32_t> prompt,
           std::span<const int32_t> tokens) override;

 private:
  const int64_t shared_;
  std::map<uint64_t, TokenHistory> own_;  // of each sequence, its prompt included
  TokenHistory recent_, older_;  // of sequences that ended; recent_ becomes older_ when full
};

}  // namespace r1
