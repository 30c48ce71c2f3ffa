// Byte-pair encoding of one piece: merge the pair of lowest rank, leftmost first, until none is
// left. O(n log n) in the piece's length. Ids equal Hugging Face's `BPE` model and, with
// score-ranked merges, SentencePiece's (Kudo & Richardson 2018).
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/merges.h"
#include "text/vocab.h"

namespace r1 {

// A piece's first symbols, before any merge.
struct Alphabet {
  enum class Kind : uint8_t { kBytes, kCharacters } kind = Kind::kBytes;
  std::array<int32_t, 256> bytes{};  // token of each byte, or kAbsent; for characters: the fallback
  bool byte_fallback = false;        // a character without a token becomes the tokens of its bytes
  int32_t unk = Vocab::kAbsent;      // what else is unknown becomes this, or is left out
  bool fuse_unk = false;             // neighbouring unknowns become one
  // SentencePiece merges characters that occur only inside tokens: their stand-in ids follow the
  // vocabulary's.
  std::unordered_map<std::string, int32_t> stand_ins;
};

class Bpe {
 public:
  Bpe() = default;
  // emittable[id]: whether text may become id; control tokens may not, whatever the merges say.
  // ignore_merges: a piece that is a token is that token (Llama 3).
  Bpe(Vocab vocab, Merges merges, Alphabet alphabet, const std::vector<bool>& emittable,
      bool ignore_merges);

  const Vocab& vocab() const { return vocab_; }
  void encode(std::string_view piece, std::vector<int32_t>& out) const;

 private:
  // Whether the merges lead from a token's own text back to that token: found out when first asked.
  // Threads that race write the same answer.
  enum class Whole : uint8_t { kUnasked, kYes, kNo, kForbidden };

  void merge_and_append(std::string_view piece, std::vector<int32_t>& out) const;
  void append_symbols(std::string_view piece, std::vector<int32_t>& out) const;
  // `begin`: where the piece's symbols start in `out`.
  void append_unknown(std::string_view character, std::vector<int32_t>& out, size_t begin) const;
  void spell_stand_ins(std::vector<int32_t>& out, size_t begin) const;

  Vocab vocab_;
  Merges merges_;
  Alphabet alphabet_;
  std::vector<std::string_view> stand_in_texts_;  // by id - vocab size; into alphabet_
  std::unique_ptr<std::atomic<Whole>[]> whole_;
};

}  // namespace r1
