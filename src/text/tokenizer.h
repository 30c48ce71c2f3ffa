// Text <-> token ids. Byte-level BPE (GPT-2, Llama-3, Qwen, DeepSeek) and SentencePiece BPE (SPM)
// with byte fallback. Built from tokenizer.json or from GGUF vocabulary arrays; ids equal the
// originals' bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace r1 {

enum class TokenKind : uint8_t { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

// What GGUF stores (tokenizer.ggml.*); strings may point into the mapping during construction only.
struct VocabSpec {
  std::string model;  // "gpt2" or "llama" (SPM)
  std::string pre;  // pre-tokenizer: "deepseek-v3", "qwen2", "llama-bpe", "smollm", "default", ...
  std::vector<std::string_view> tokens;
  std::vector<float> scores;  // SPM
  std::vector<TokenKind> kinds;
  std::vector<std::string_view> merges;  // "a b"
  std::optional<int32_t> bos, eos, unk, pad, eot;
  bool add_bos = false, add_eos = false, add_space_prefix = true;
};

class Tokenizer {
 public:
  // Limits and checks inside: tokenizer.json is outside bytes. `config` is tokenizer_config.json or
  // "".
  static Result<Tokenizer> from_json(std::string_view json, std::string_view config = "");
  static Result<Tokenizer> from_vocab(const VocabSpec& spec);

  // parse_special: text that spells a control token becomes that token; off for what users typed.
  // Control tokens are those marked special, and all spelled <like this>. Ill-formed UTF-8 counts
  // as U+FFFD. No BOS/EOS is added; see add_bos(). Throws std::runtime_error if a pattern of a
  // hostile file backtracks without end, std::length_error from 2 GiB on.
  std::vector<int32_t> encode(std::string_view text, bool parse_special) const;
  // The text with every spelled-out control token broken by kLiteral, so that encode(…, true) keeps
  // it text: what users wrote goes through this before a template sees it. encode drops the mark.
  static constexpr char kLiteral = '\xFF';  // never occurs in UTF-8
  std::string protect(std::string_view text) const;
  // The bytes of the ids, SPM's leading space dropped as the original does; skip_special leaves
  // control tokens out.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  // The raw bytes one id stands for in the middle of a text, a control token's text included; ""
  // for ids out of range. A token may end inside a UTF-8 character.
  std::string_view bytes(int32_t id) const;

  int32_t size() const;  // ids are 0 .. size()-1
  // By its text, control tokens included.
  std::optional<int32_t> find(std::string_view token) const;
  TokenKind kind(int32_t id) const;
  std::optional<int32_t> bos() const, eos() const, eot() const, pad() const;
  bool add_bos() const;  // the original prepends BOS to plain text
  // Every id that ends a turn: eos, eot, <|im_end|>, <|EOT|>, ...
  std::span<const int32_t> end_ids() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace r1
