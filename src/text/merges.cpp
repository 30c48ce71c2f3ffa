#include "text/merges.h"

#include <bit>

namespace r1 {
namespace {

uint64_t key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

// Finalizer of MurmurHash3.
uint64_t mix(uint64_t x) {
  x = (x ^ x >> 33) * 0xFF51AFD7ED558CCDull;
  x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53ull;
  return x ^ x >> 33;
}

}  // namespace

Merges::Merges(size_t count) : slots_(std::bit_ceil(count + count / 3 + 2)) {}

size_t Merges::locate(uint64_t pair) const {
  size_t at = mix(pair) & (slots_.size() - 1);
  while (slots_[at].pair != pair && slots_[at].pair != kEmpty) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void Merges::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = key(left, right);
  slots_[locate(pair)] = {pair, merge};
}

Merge Merges::find(int32_t left, int32_t right) const {
  return slots_[locate(key(left, right))].merge;
}

}  // namespace r1
