#include "tensor/moe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "tensor/ops.h"

namespace r1 {
namespace {

constexpr int64_t kDim = 64, kInter = 96, kExperts = 6, kUsed = 2;

// Gives at most `most` experts at a time: a store that holds no more.
class Narrow final : public Experts {
 public:
  Narrow(std::unique_ptr<Experts> all, size_t most) : all_(std::move(all)), most_(most) {}
  int64_t count() const override { return all_->count(); }
  uint64_t resident_bytes() const override { return 0; }
  uint64_t expert_bytes() const override { return all_->expert_bytes(); }
  std::vector<Expert> acquire(Context& ctx, std::span<const int32_t> wanted) override {
    EXPECT_TRUE(std::is_sorted(wanted.begin(), wanted.end()));
    return all_->acquire(ctx, wanted.first(std::min(most_, wanted.size())));
  }

 private:
  std::unique_ptr<Experts> all_;
  size_t most_;
};

struct Mixture {
  std::vector<std::vector<float>> values;
  std::vector<StoredExpert> stored;
  Expert shared;

  StoredMatrix matrix(int64_t rows, int64_t cols) {
    std::vector<float> v(static_cast<size_t>(rows * cols));
    for (size_t i = 0; i < v.size(); ++i)
      v[i] = static_cast<float>(0.2 * normal(1, values.size(), i));
    values.push_back(std::move(v));
    StoredMatrix m;
    m.rows = rows;
    m.cols = cols;
    m.bytes = reinterpret_cast<const std::byte*>(values.back().data());
    return m;
  }

  explicit Mixture(Context& ctx) {
    values.reserve(100);
    for (int64_t e = 0; e <= kExperts; ++e)
      stored.push_back({matrix(kInter, kDim), matrix(kInter, kDim), matrix(kDim, kInter)});
    StoredExpert s = stored.back();
    stored.pop_back();
    const Packing all[] = {{&shared.gate, &s.gate}, {&shared.up, &s.up}, {&shared.down, &s.down}};
    EXPECT_TRUE(pack_all(ctx, Compute::kF32, all));
  }

  std::unique_ptr<Experts> experts(Context& ctx) const {
    auto all = resident_experts(ctx, Compute::kF32, stored);
    EXPECT_TRUE(all);
    return *std::move(all);
  }
};

Tensor random(Context& ctx, int64_t rows, int64_t cols, uint64_t stream) {
  Tensor x = ctx.tensor(rows, cols);
  for (int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(normal(2, stream, static_cast<uint64_t>(i)));
  return x;
}

Routing random_routing(Context& ctx, int64_t n) {
  const Gate g{.n_experts = kExperts, .n_used = kUsed, .norm = true, .scale = 2.5f};
  return route(ctx, g, random(ctx, n, kExperts, 9), {});
}

std::vector<float> values_of(const Tensor& t) { return {t.data(), t.data() + t.size()}; }

Tensor expert(Context& ctx, const Expert& e, const Tensor& x) {
  return linear(ctx, swiglu(ctx, linear(ctx, x, e.gate), linear(ctx, x, e.up)), e.down);
}

TEST(Moe, IsTheSumOfTheChosenExperts) {
  for (const Isa isa : supported_isas()) {
    Context ctx(isa, 2);
    const Mixture m(ctx);
    const auto experts = m.experts(ctx);
    const Tensor x = random(ctx, 9, kDim, 0);
    const Routing r = random_routing(ctx, 9);
    const Tensor y = mix_experts(ctx, x, r, *experts, m.shared);
    const std::vector<int32_t> ids = {0, 1, 2, 3, 4, 5};
    const auto all = experts->acquire(ctx, ids);
    for (int32_t t = 0; t < 9; ++t) {
      const int32_t row[] = {t};
      const Tensor x_t = rows(ctx, x, row);
      std::vector<double> want(kDim);
      const auto add = [&](const Expert& e, float weight) {
        const Tensor y_e = expert(ctx, e, x_t);
        for (size_t d = 0; d < want.size(); ++d) want[d] += weight * y_e.data()[d];
      };
      for (size_t k = 0; k < kUsed; ++k) {
        const size_t i = static_cast<size_t>(t) * kUsed + k;
        add(all[static_cast<size_t>(r.experts[i])], r.weights.data()[i]);
      }
      add(m.shared, 1);
      for (int64_t d = 0; d < kDim; ++d)
        EXPECT_NEAR(y.row(t)[static_cast<size_t>(d)], want[static_cast<size_t>(d)], 1e-4);
    }
  }
}

TEST(Moe, ATokensBitsDependOnNothingElse) {
  for (const Isa isa : supported_isas()) {
    Context one(isa, 1), two(isa, 2);
    const Mixture m(one);
    constexpr int64_t kTokens = 150;
    const Tensor x = random(one, kTokens, kDim, 0);
    const Routing r = random_routing(one, kTokens);
    const auto want = values_of(mix_experts(one, x, r, *m.experts(one), m.shared));
    EXPECT_EQ(values_of(mix_experts(two, x, r, *m.experts(two), m.shared)), want);
    for (const size_t most : {1, 2, 5}) {
      Narrow narrow(m.experts(one), most);
      EXPECT_EQ(values_of(mix_experts(two, x, r, narrow, m.shared)), want) << most;
    }
    for (const int32_t t : {0, 77, 149}) {
      const int32_t row[] = {t};
      Routing alone{kUsed, {}, rows(two, r.weights, row)};
      for (size_t k = 0; k < kUsed; ++k)
        alone.experts.push_back(r.experts[static_cast<size_t>(t) * kUsed + k]);
      const auto y =
          values_of(mix_experts(two, rows(two, x, row), alone, *m.experts(two), m.shared));
      EXPECT_EQ(y, std::vector<float>(want.begin() + t * kDim, want.begin() + (t + 1) * kDim));
    }
  }
}

}  // namespace
}  // namespace r1
