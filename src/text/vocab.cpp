#include "text/vocab.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace r1 {
namespace {

uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }
uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

void TextArena::reserve(size_t count, size_t bytes) {
  ends_.reserve(count + 1);
  bytes_.reserve(bytes);
}

void TextArena::push(std::string_view text) {
  bytes_ += text;
  ends_.push_back(bytes_.size());
}

Vocab::Vocab(TextArena texts, const std::vector<bool>& indexed)
    : texts_(std::move(texts)), slots_(std::bit_ceil(2 * texts_.size() + 1)) {
  for (size_t id = 0; id < texts_.size(); ++id) {
    if (!indexed[id]) continue;
    const uint64_t hash = hash_of(texts_[id]);
    slots_[locate(texts_[id], hash)] = {tag_of(hash), static_cast<int32_t>(id)};
    longest_ = std::max(longest_, texts_[id].size());
  }
}

size_t Vocab::locate(std::string_view text, uint64_t hash) const {
  for (size_t i = hash;; ++i) {
    const size_t at = i & (slots_.size() - 1);
    const Slot& slot = slots_[at];
    if (slot.id == kAbsent) return at;
    if (slot.tag == tag_of(hash) && texts_[static_cast<size_t>(slot.id)] == text) return at;
  }
}

int32_t Vocab::find(std::string_view text) const { return slots_[locate(text, hash_of(text))].id; }

}  // namespace r1
