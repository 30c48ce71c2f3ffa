#include "tensor/adapted_experts.h"

namespace r1 {
namespace {

class AdaptedExperts final : public Experts {
 public:
  AdaptedExperts(std::unique_ptr<Experts> experts, std::vector<StoredExpert> stored,
                 std::vector<ExpertLora> updates)
      : experts_(std::move(experts)), stored_(std::move(stored)), updates_(std::move(updates)) {}
  int64_t count() const override { return experts_->count(); }
  uint64_t resident_bytes() const override { return experts_->resident_bytes(); }
  uint64_t expert_bytes() const override { return experts_->expert_bytes(); }
  std::vector<Expert> acquire(Context& ctx, std::span<const int32_t> wanted) override {
    std::vector<Expert> chosen = experts_->acquire(ctx, wanted);
    for (size_t i = 0; i < chosen.size(); ++i) {
      const auto id = static_cast<size_t>(wanted[i]);
      chosen[i].gate.adapt(stored_[id].gate, updates_[id].gate);
      chosen[i].up.adapt(stored_[id].up, updates_[id].up);
      chosen[i].down.adapt(stored_[id].down, updates_[id].down);
    }
    return chosen;
  }

 private:
  std::unique_ptr<Experts> experts_;
  std::vector<StoredExpert> stored_;
  std::vector<ExpertLora> updates_;
};

}  // namespace

std::unique_ptr<Experts> adapted_experts(std::unique_ptr<Experts> experts,
                                         std::vector<StoredExpert> stored,
                                         std::vector<ExpertLora> updates) {
  R1_CHECK(std::ssize(stored) == experts->count() && updates.size() == stored.size());
  return std::make_unique<AdaptedExperts>(std::move(experts), std::move(stored),
                                          std::move(updates));
}

}  // namespace r1
