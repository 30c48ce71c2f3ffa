// Experts that are always in memory, packed at load one after another.
#include "tensor/experts.h"

namespace r1 {
namespace {

class ResidentExperts final : public Experts {
 public:
  ResidentExperts(std::vector<Expert> experts, uint64_t bytes)
      : experts_(std::move(experts)), bytes_(bytes) {}
  int64_t count() const override { return std::ssize(experts_); }
  uint64_t resident_bytes() const override { return bytes_; }
  uint64_t expert_bytes() const override { return bytes_ / experts_.size(); }
  std::vector<Expert> acquire(Context&, std::span<const int32_t> wanted) override {
    std::vector<Expert> chosen;
    chosen.reserve(wanted.size());
    for (const int32_t id : wanted) chosen.push_back(experts_[static_cast<size_t>(id)]);
    return chosen;
  }

 private:
  std::vector<Expert> experts_;
  uint64_t bytes_;
};

}  // namespace

std::unique_ptr<Experts> resident_experts(std::vector<Expert> experts, uint64_t bytes) {
  return std::make_unique<ResidentExperts>(std::move(experts), bytes);
}

Result<std::unique_ptr<Experts>> resident_experts(Context& ctx, Compute compute,
                                                  std::span<const StoredExpert> stored) {
  std::vector<Expert> experts(stored.size());
  std::vector<Packing> all;
  for (size_t i = 0; i < stored.size(); ++i) {
    all.insert(all.end(), {{&experts[i].gate, &stored[i].gate},
                           {&experts[i].up, &stored[i].up},
                           {&experts[i].down, &stored[i].down}});
  }
  R1_TRY(const uint64_t bytes, pack_all(ctx, compute, all));
  return resident_experts(std::move(experts), bytes);
}

}  // namespace r1
