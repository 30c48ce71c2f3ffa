#include "text/tokenizer.h"

#include <algorithm>
#include <stdexcept>

#include "base/function_ref.h"
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
    control_ = control;
    cut(model_.added, text, [&](std::string_view segment, bool first) { written(segment, first); });
  }

 private:
  // Added tokens give their ids; what lies between goes to `rest`.
  void cut(const AddedTokens& tokens, std::string_view text,
           FunctionRef<void(std::string_view, bool)> rest) {
    size_t taken = 0, from = 0;
    while (const auto match = tokens.next(text, from, taken, control_, Tokenizer::kLiteral)) {
      if (taken < match->begin) rest(text.substr(taken, match->begin - taken), taken == 0);
      ids_.push_back(match->token->id);
      taken = match->end;
      from = match->resume;
    }
    if (taken < text.size()) rest(text.substr(taken), taken == 0);
  }

  void written(std::string_view segment, bool at_start) {
    const auto rest = [&](std::string_view text, bool first) { plain(text, at_start && first); };
    if (model_.normalizer.empty()) return cut(model_.added_normalized, segment, rest);
    std::string unmarked(segment);
    std::erase(unmarked, Tokenizer::kLiteral);
    cut(model_.added_normalized, model_.normalizer.apply(unmarked), rest);
  }

  void plain(std::string_view text, bool at_start) {
    if (text.find(Tokenizer::kLiteral) != std::string_view::npos) {
      std::string unmarked(text);
      std::erase(unmarked, Tokenizer::kLiteral);
      return plain(unmarked, at_start);
    }
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
  bool control_ = false;
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
    for (const AddedTokens* tokens : {&added, &added_normalized}) {
      if (const AddedToken* token = tokens->find(name)) add(token->id);
    }
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
  const std::string marked =
      impl_->added.protect(is_utf8(text) ? std::string(text) : replace_invalid(text), kLiteral);
  return impl_->added_normalized.protect(marked, kLiteral);
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
