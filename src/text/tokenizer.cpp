#include "text/tokenizer.h"

#include <algorithm>
#include <stdexcept>

#include "text/tokenizer_model.h"
#include "text/unicode.h"

namespace r1 {
namespace {

constexpr size_t kMaxText = INT32_MAX;  // bytes; positions are 32-bit

// One call of encode: text -> added tokens and segments -> pieces -> ids.
class Encoding {
 public:
  Encoding(const TokenizerModel& model, std::vector<int32_t>& ids) : model_(model), ids_(ids) {}

  void text(std::string_view text, bool control) {
    size_t at = 0;
    while (const auto match = model_.added.next(text, at, control, Tokenizer::kLiteral)) {
      written(text.substr(at, match->begin - at), at == 0);
      ids_.push_back(match->token->id);
      at = match->end;
    }
    written(text.substr(at), at == 0);
  }

 private:
  void written(std::string_view segment, bool at_start) {
    if (segment.find(Tokenizer::kLiteral) != std::string_view::npos) {
      std::string unmarked(segment);
      unmarked.erase(std::remove(unmarked.begin(), unmarked.end(), Tokenizer::kLiteral),
                     unmarked.end());
      return written(unmarked, at_start);
    }
    if (segment.empty()) return;
    if (model_.normalizer.empty()) return normalized(segment, at_start);
    normalized(model_.normalizer.apply(segment), at_start);
  }

  void normalized(std::string_view text, bool at_start) {
    size_t at = 0;
    while (const auto match = model_.added_normalized.next(text, at, true, Tokenizer::kLiteral)) {
      plain(text.substr(at, match->begin - at), at_start && at == 0);
      ids_.push_back(match->token->id);
      at = match->end;
    }
    plain(text.substr(at), at_start && at == 0);
  }

  void plain(std::string_view text, bool at_start) {
    if (text.empty()) return;
    if (text.size() > kMaxText) {
      throw std::length_error(fmt::format("a text of {} bytes: at most {} are tokenized at once",
                                          text.size(), kMaxText));
    }
    Pieces pieces{{text}, {}, at_start};
    model_.pretokenizer.apply(pieces);
    for (const std::string_view piece : pieces.views) model_.bpe.encode(piece, ids_);
  }

  const TokenizerModel& model_;
  std::vector<int32_t>& ids_;
};

}  // namespace

std::optional<int32_t> TokenizerModel::find(std::string_view token) const {
  for (const AddedTokens* tokens : {&added, &added_normalized}) {
    if (const AddedToken* found = tokens->find(token)) return found->id;
  }
  const int32_t id = bpe.vocab().find(token);
  return id == Vocab::kAbsent ? std::nullopt : std::optional(id);
}

void TokenizerModel::collect_end_ids() {
  const auto add = [&](std::optional<int32_t> id) {
    if (id && std::find(end_ids.begin(), end_ids.end(), *id) == end_ids.end())
      end_ids.push_back(*id);
  };
  add(eos);
  add(eot);
  for (const char* name : {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|EOT|>", "<|end_of_text|>",
                           "<|endoftext|>", "<｜end▁of▁sentence｜>"}) {
    if (const AddedToken* token = added.find(name)) add(token->id);
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 1);
  Encoding encoding(*impl_, ids);
  if (is_utf8(text)) {
    encoding.text(text, parse_special);
  } else {
    encoding.text(replace_invalid(text, kLiteral), parse_special);
  }
  return ids;
}

std::string Tokenizer::protect(std::string_view text) const {
  if (is_utf8(text)) return impl_->added.protect(text, kLiteral);
  return impl_->added.protect(replace_invalid(text), kLiteral);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string text;
  for (const int32_t id : ids) {
    const bool special = kind(id) == TokenKind::kControl || kind(id) == TokenKind::kUnknown;
    if (!(skip_special && special)) text += bytes(id);
  }
  if (impl_->strip_leading_space && !text.empty() && text.front() == ' ') text.erase(0, 1);
  return text;
}

std::string_view Tokenizer::bytes(int32_t id) const {
  return id >= 0 && id < size() ? impl_->pieces[static_cast<size_t>(id)] : std::string_view();
}

TokenKind Tokenizer::kind(int32_t id) const {
  return id >= 0 && id < size() ? impl_->kinds[static_cast<size_t>(id)] : TokenKind::kUnused;
}

int32_t Tokenizer::size() const { return static_cast<int32_t>(impl_->pieces.size()); }
std::optional<int32_t> Tokenizer::find(std::string_view token) const { return impl_->find(token); }
std::optional<int32_t> Tokenizer::bos() const { return impl_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return impl_->eos; }
std::optional<int32_t> Tokenizer::eot() const { return impl_->eot; }
std::optional<int32_t> Tokenizer::pad() const { return impl_->pad; }
bool Tokenizer::add_bos() const { return impl_->add_bos; }
std::span<const int32_t> Tokenizer::end_ids() const { return impl_->end_ids; }

}  // namespace r1
