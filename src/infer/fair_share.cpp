#include "infer/fair_share.h"

#include <algorithm>
#include <optional>

namespace r1 {

// The least served of those who wait; where nobody does, who last did.
int64_t FairShare::floor() const {
  std::optional<int64_t> least;
  for (const auto& [name, owner] : owners_)
    if (owner.waiting > 0) least = std::min(least.value_or(owner.served), owner.served);
  return least.value_or(last_ ? last_->served : 0);
}

FairShare::Owner& FairShare::arrives(const std::string& name) {
  Owner& owner = owners_[name];
  if (owner.waiting == 0) owner.served = std::max(owner.served, floor());
  ++owner.waiting;
  return owner;
}

void FairShare::leaves(Owner& owner) {
  --owner.waiting;
  last_ = &owner;
}

void FairShare::clear() {
  last_ = nullptr;
  owners_.clear();
}

}  // namespace r1
