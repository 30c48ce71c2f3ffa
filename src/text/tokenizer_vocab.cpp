// Tokenizer from the arrays of a GGUF file (tokenizer.ggml.*).
#include "text/byte_level.h"
#include "text/pre_families.h"
#include "text/spm.h"
#include "text/tokenizer_model.h"
#include "text/unicode.h"

namespace r1 {
namespace {

constexpr std::string_view kSpaceMark = "\u2581";

Result<void> check_spec(const VocabSpec& spec) {
  const size_t n = spec.tokens.size();
  if (n == 0) return error("tokenizer.ggml.tokens: empty");
  if (n > INT32_MAX / 2) return error("tokenizer.ggml.tokens: {} tokens are too many", n);
  if (!spec.kinds.empty() && spec.kinds.size() != n) {
    return error("tokenizer.ggml.token_type: {} entries for {} tokens", spec.kinds.size(), n);
  }
  for (size_t id = 0; id < n; ++id) {
    if (!is_utf8(spec.tokens[id])) return error("tokenizer.ggml.tokens: token {} is not UTF-8", id);
  }
  const auto in_range = [&](const char* key, std::optional<int32_t> id) -> Result<void> {
    if (!id || (*id >= 0 && static_cast<size_t>(*id) < n)) return {};
    return error("tokenizer.ggml.{}: {} is not below the {} tokens", key, *id, n);
  };
  R1_DO(in_range("bos_token_id", spec.bos));
  R1_DO(in_range("eos_token_id", spec.eos));
  R1_DO(in_range("unknown_token_id", spec.unk));
  R1_DO(in_range("padding_token_id", spec.pad));
  R1_DO(in_range("eot_token_id", spec.eot));
  return {};
}

std::vector<bool> of_kind(const std::vector<TokenKind>& kinds, TokenKind kind) {
  std::vector<bool> is(kinds.size());
  for (size_t id = 0; id < kinds.size(); ++id) is[id] = kinds[id] == kind;
  return is;
}

// GPT-2's kind. Ordinary tokens are spelled in the byte alphabet; the others mean their text.
Result<void> build_byte_level(const VocabSpec& spec, TokenizerModel& model) {
  R1_TRY(PreFamily family, pre_family(spec.pre));
  model.normalizer = std::move(family.normalizer);
  model.pretokenizer = std::move(family.pretokenizer);
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    std::string bytes;
    if (model.kinds[id] != TokenKind::kNormal || !append_spelled_bytes(spec.tokens[id], bytes)) {
      bytes = spec.tokens[id];
    }
    model.pieces.push(bytes);
  }
  const std::vector<bool> normal = of_kind(model.kinds, TokenKind::kNormal);
  Vocab vocab(model.pieces, normal);
  Merges merges(spec.merges.size());
  std::string left, right;
  for (size_t i = 0; i < spec.merges.size(); ++i) {
    const std::string_view rule = spec.merges[i];
    const size_t space = rule.find(' ');
    left.clear(), right.clear();
    if (space == std::string_view::npos || !append_spelled_bytes(rule.substr(0, space), left) ||
        !append_spelled_bytes(rule.substr(space + 1), right)) {
      return error("tokenizer.ggml.merges: rule {} (\"{}\") is not two tokens of the byte alphabet",
                   i, rule);
    }
    const int32_t a = vocab.find(left), b = vocab.find(right), joined = vocab.find(left + right);
    if (a == Vocab::kAbsent || b == Vocab::kAbsent || joined == Vocab::kAbsent) {
      return error(
          "tokenizer.ggml.merges: rule {} (\"{}\") names a token that is not in the vocabulary", i,
          rule);
    }
    merges.add(a, b, {static_cast<uint32_t>(i), joined});
  }
  Alphabet alphabet;
  for (size_t byte = 0; byte < 256; ++byte) {
    alphabet.bytes[byte] = vocab.find(std::string(1, static_cast<char>(byte)));
  }
  model.bpe =
      Bpe(std::move(vocab), std::move(merges), std::move(alphabet), normal, family.ignore_merges);
  return {};
}

// The byte a token like <0x0A> stands for.
std::optional<unsigned char> byte_of(std::string_view token) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
  const size_t high = kHex.find(token[3]), low = kHex.find(token[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned char>(high * 16 + low);
}

// SentencePiece's kind.
Result<void> build_spm(const VocabSpec& spec, TokenizerModel& model) {
  if (spec.scores.size() != spec.tokens.size()) {
    return error("tokenizer.ggml.scores: {} entries for {} tokens", spec.scores.size(),
                 spec.tokens.size());
  }
  R1_TRY(Pattern space, Pattern::literal(" "));
  if (spec.add_space_prefix) model.normalizer.add(Normalizer::Prepend{" "});
  model.normalizer.add(Normalizer::Replace{std::move(space), std::string(kSpaceMark)});
  model.strip_leading_space = spec.add_space_prefix;

  Alphabet alphabet;
  alphabet.kind = Alphabet::Kind::kCharacters;
  alphabet.byte_fallback = true;
  alphabet.bytes.fill(Vocab::kAbsent);
  if (spec.unk) alphabet.unk = *spec.unk;
  TextArena keys;
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string_view token = spec.tokens[id];
    keys.push(token);
    if (model.kinds[id] == TokenKind::kByte) {
      const auto byte = byte_of(token);
      if (!byte)
        return error("tokenizer.ggml.tokens: byte token {} is \"{}\", not <0xHH>", id, token);
      alphabet.bytes[*byte] = static_cast<int32_t>(id);
      model.pieces.push(std::string(1, static_cast<char>(*byte)));
    } else {
      std::string text(token);
      for (size_t at = 0; (at = text.find(kSpaceMark, at)) != std::string::npos; ++at) {
        text.replace(at, kSpaceMark.size(), " ");
      }
      model.pieces.push(text);
    }
  }
  const std::vector<bool> normal = of_kind(model.kinds, TokenKind::kNormal);
  Vocab vocab(std::move(keys), normal);
  R1_TRY(Merges merges, spm_merges(vocab, spec.scores, normal, alphabet.stand_ins));
  model.bpe = Bpe(std::move(vocab), std::move(merges), std::move(alphabet), normal, false);
  return {};
}

}  // namespace

Result<Tokenizer> Tokenizer::from_vocab(const VocabSpec& spec) {
  R1_DO(check_spec(spec));
  auto impl = std::make_shared<Impl>();
  impl->kinds = spec.kinds;
  impl->kinds.resize(spec.tokens.size(), TokenKind::kNormal);
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    const TokenKind kind = impl->kinds[id];
    const bool special = kind == TokenKind::kControl || kind == TokenKind::kUnknown;
    if (!special && kind != TokenKind::kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int32_t>(id);
    token.text = spec.tokens[id];
    token.special = special;
    R1_DO(impl->added.add(std::move(token)));
  }
  if (spec.model == "gpt2") {
    R1_DO(build_byte_level(spec, *impl));
  } else if (spec.model == "llama") {
    R1_DO(build_spm(spec, *impl));
  } else {
    return error("tokenizer.ggml.model: \"{}\" is not supported (gpt2 and llama are)", spec.model);
  }
  impl->bos = spec.bos;
  impl->eos = spec.eos;
  impl->eot = spec.eot;
  impl->pad = spec.pad;
  impl->add_bos = spec.add_bos && spec.bos.has_value();
  impl->collect_end_ids();
  Tokenizer tokenizer;
  tokenizer.impl_ = std::move(impl);
  return tokenizer;
}

}  // namespace r1
