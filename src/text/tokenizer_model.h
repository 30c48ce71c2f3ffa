// What a loader builds and Tokenizer runs. Internal to the room.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

namespace r1 {

struct TokenizerModel {
  Normalizer normalizer;
  PreTokenizer pretokenizer;
  Bpe bpe;
  // Found in the text as written; then, in what is left, in the normalized text. Where a normalizer
  // changes the text, control tokens are all of the first kind: no other spelling makes one.
  AddedTokens added, added_normalized;
  TextArena pieces;  // the bytes of every id
  std::vector<TokenKind> kinds;
  bool strip_leading_space = false;  // of a decoded text (SentencePiece)
  std::optional<int32_t> bos, eos, eot, pad;
  bool add_bos = false;
  std::vector<int32_t> end_ids;

  std::optional<int32_t> find(std::string_view token) const;
  // Fills end_ids from eos, eot and the names of turn-ending tokens. Call last.
  void collect_end_ids();
};

struct Tokenizer::Impl : TokenizerModel {};

}  // namespace r1
