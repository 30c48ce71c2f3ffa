#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace r1 {
namespace {

constexpr size_t kMaxLength = 1024;  // bytes: bounds the work at each position of a text

size_t space_begin_before(std::string_view text, size_t at, size_t floor) {
  while (at > floor) {
    size_t before = at - 1;
    while (before > floor && (static_cast<unsigned char>(text[before]) & 0xC0) == 0x80) --before;
    if (!is_space(decode_char(text, before).code)) break;
    at = before;
  }
  return at;
}

size_t space_end_after(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Utf8Char c = decode_char(text, at);
    if (!is_space(c.code)) break;
    at += c.length;
  }
  return at;
}

bool inside_word(std::string_view text, size_t begin, size_t end) {
  size_t before = begin;
  while (before > 0 && (static_cast<unsigned char>(text[--before]) & 0xC0) == 0x80) {
  }
  return (begin > 0 && is_word(decode_char(text, before).code)) ||
         (end < text.size() && is_word(decode_char(text, end).code));
}

}  // namespace

bool AddedToken::control() const {
  return special || (text.size() > 2 && text.front() == '<' && text.back() == '>');
}

std::array<int32_t, 256> AddedTokens::no_roots() {
  std::array<int32_t, 256> roots;
  roots.fill(kNone);
  return roots;
}

Result<void> AddedTokens::add(AddedToken token) {
  if (token.text.empty()) return error("added token {}: its text is empty", token.id);
  if (token.text.size() > kMaxLength) {
    return error("added token {}: its text has {} bytes, at most {} are taken", token.id,
                 token.text.size(), kMaxLength);
  }
  int32_t node = 0;
  for (const char byte : token.text) {
    int32_t next = child(node, byte);
    if (next == kNone) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_.push_back({kNone, kNone, nodes_[static_cast<size_t>(node)].first_child, byte});
      nodes_[static_cast<size_t>(node)].first_child = next;
      if (node == 0) roots_[static_cast<unsigned char>(byte)] = next;
    }
    node = next;
  }
  nodes_[static_cast<size_t>(node)].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(std::move(token));
  return {};
}

int32_t AddedTokens::child(int32_t node, char byte) const {
  if (node == 0) return roots_[static_cast<unsigned char>(byte)];
  int32_t c = nodes_[static_cast<size_t>(node)].first_child;
  while (c != kNone && nodes_[static_cast<size_t>(c)].byte != byte) {
    c = nodes_[static_cast<size_t>(c)].next_sibling;
  }
  return c;
}

const AddedToken* AddedTokens::find(std::string_view text) const {
  const AddedToken* found = text.empty() ? nullptr : longest(text, 0, true);
  return found != nullptr && found->text.size() == text.size() ? found : nullptr;
}

const AddedToken* AddedTokens::longest(std::string_view text, size_t at, bool control) const {
  const AddedToken* found = nullptr;
  int32_t node = 0;
  for (; at < text.size() && (node = child(node, text[at])) != kNone; ++at) {
    const int32_t index = nodes_[static_cast<size_t>(node)].token;
    if (index == kNone) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    if (control || !token.control()) found = &token;
  }
  return found;
}

std::optional<AddedTokens::Match> AddedTokens::next(std::string_view text, size_t from,
                                                    size_t taken, bool control, char mark) const {
  for (size_t at = from; at < text.size(); ++at) {
    if (roots_[static_cast<unsigned char>(text[at])] == kNone) continue;
    const bool marked = at > 0 && text[at - 1] == mark;
    const AddedToken* token = longest(text, at, control && !marked);
    if (token == nullptr) continue;
    const size_t resume = at + token->text.size();
    if (token->single_word && inside_word(text, at, resume)) {
      at = resume - 1;  // as the original: what was discarded is not searched again
      continue;
    }
    // A token may lie in white space the one before has taken: the original counts it all the same,
    // unless it is one that takes white space before it, of which then nothing is left.
    const size_t begin = token->lstrip ? std::max(space_begin_before(text, at, taken), taken) : at;
    const size_t end = token->rstrip ? space_end_after(text, resume) : resume;
    if (begin < end) return Match{begin, end, resume, token};
    at = resume - 1;
  }
  return std::nullopt;
}

bool AddedTokens::begins_control(std::string_view text, size_t at) const {
  int32_t node = 0;
  for (; at < text.size(); ++at) {
    node = child(node, text[at]);
    if (node == kNone) return false;
    const int32_t index = nodes_[static_cast<size_t>(node)].token;
    if (index != kNone && tokens_[static_cast<size_t>(index)].control()) return true;
  }
  return nodes_[static_cast<size_t>(node)].first_child != kNone;
}

bool AddedTokens::ends_control(std::string_view text) const {
  return std::any_of(tokens_.begin(), tokens_.end(), [&](const AddedToken& token) {
    if (!token.control()) return false;
    for (size_t tail = 1; tail < token.text.size(); ++tail) {
      if (text.starts_with(std::string_view(token.text).substr(tail))) return true;
    }
    return false;
  });
}

std::string AddedTokens::protect(std::string_view text, char mark) const {
  std::string out;
  out.reserve(text.size() + 8);
  if (!text.empty() && ends_control(text)) out.push_back(mark);
  for (size_t at = 0; at < text.size(); ++at) {
    if (roots_[static_cast<unsigned char>(text[at])] != kNone && begins_control(text, at)) {
      if (out.empty() || out.back() != mark) out.push_back(mark);
    }
    out.push_back(text[at]);
  }
  return out;
}

}  // namespace r1
