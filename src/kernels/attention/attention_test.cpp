#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"

namespace r1 {
namespace {

constexpr int kTile = kAttentionTile;

// n positions of random keys and values in pages of a given order; unused positions hold NaN.
// Latent: the values are the beginnings of the keys, and not stored.
struct Cache {
  std::vector<float> k, v;  // as given, [n, dim]
  std::vector<std::byte> memory;
  std::vector<int32_t> pages;
  KvHead head;

  Cache(DType dtype, int k_dim, int v_dim, int n, std::vector<int32_t> order, bool latent = false)
      : pages(std::move(order)) {
    const auto size = static_cast<size_t>(info(dtype).block_bytes);
    const size_t page_bytes = static_cast<size_t>(kTile * (k_dim + (latent ? 0 : v_dim))) * size;
    memory.assign(page_bytes * 8, std::byte{0xff});
    head = {memory.data(),
            latent ? nullptr : memory.data() + static_cast<size_t>(kTile * k_dim) * size,
            static_cast<int64_t>(page_bytes),
            k_dim,
            v_dim,
            dtype};
    for (int i = 0; i < n * k_dim; ++i) k.push_back(draw(1, i));
    for (int i = 0; i < n * v_dim; ++i)
      v.push_back(latent ? k[static_cast<size_t>(i / v_dim * k_dim + i % v_dim)] : draw(2, i));
  }
  static float draw(uint64_t stream, int i) {  // exact in BF16 too
    return static_cast<float>(std::round(normal(5, stream, static_cast<uint64_t>(i)) * 32) / 32);
  }
  void store(KvStore* kv_store) {
    for (int i = 0; i * head.k_dim < static_cast<int>(k.size()); ++i) {
      kv_store(head, pages[static_cast<size_t>(i / kTile)], i % kTile,
               &k[static_cast<size_t>(i * head.k_dim)], &v[static_cast<size_t>(i * head.v_dim)]);
    }
  }
  // The formula in double.
  std::vector<double> attend(const float* q, int position, float scale) const {
    std::vector<double> p, y(static_cast<size_t>(head.v_dim));
    double top = -1e300, sum = 0;
    for (int j = 0; j <= position; ++j) {
      double s = 0;
      for (int d = 0; d < head.k_dim; ++d)
        s += static_cast<double>(q[d]) * k[static_cast<size_t>(j * head.k_dim + d)];
      p.push_back(s * scale);
      top = std::max(top, p.back());
    }
    for (double& x : p) sum += x = std::exp(x - top);
    for (size_t j = 0; j < p.size(); ++j) {
      for (size_t d = 0; d < y.size(); ++d) y[d] += p[j] / sum * v[j * y.size() + d];
    }
    return y;
  }
};

class AttentionTest : public testing::TestWithParam<DType> {};

TEST_P(AttentionTest, EveryVariantComputesTheFormula) {
  for (const auto& variant : kAttention) {
    if (!supported(variant.isa)) continue;
    for (const auto& [k_dim, v_dim, latent] : {std::tuple{64, 64, false},
                                               {8, 8, false},
                                               {48, 24, false},
                                               {128, 128, false},
                                               {576, 512, true},
                                               {24, 16, true}}) {
      Cache cache(GetParam(), k_dim, v_dim, 71, {5, 0, 3}, latent);
      cache.store(best(kKvStore, variant.isa));
      const float scale = 1 / std::sqrt(static_cast<float>(k_dim));
      std::vector<float> q(static_cast<size_t>(k_dim)), y(static_cast<size_t>(v_dim));
      for (int i = 0; i < k_dim; ++i) q[static_cast<size_t>(i)] = 3 * Cache::draw(9, i);
      for (const int position : {0, 6, 31, 32, 70}) {
        const AttentionQuery query{q.data(), y.data(), position};
        variant.run(cache.head, scale, cache.pages, {&query, 1});
        const auto want = cache.attend(q.data(), position, scale);
        for (size_t d = 0; d < y.size(); ++d)
          EXPECT_NEAR(y[d], want[d], 2e-5) << name(variant.isa) << position;
      }
    }
  }
}

TEST_P(AttentionTest, AQueryIsTheSameAloneInCompanyAndOnOtherPages) {
  constexpr int kDim = 64, kRows = 20, kHeads = 3;
  for (const auto& variant : kAttention) {
    if (!supported(variant.isa)) continue;
    Cache cache(GetParam(), kDim, kDim, 71, {5, 0, 3}),
        moved(GetParam(), kDim, kDim, 71, {1, 2, 7});
    cache.store(best(kKvStore, variant.isa));
    moved.store(best(kKvStore, variant.isa));
    std::vector<float> q(kDim * kRows * kHeads), together(q.size()), alone(q.size());
    for (size_t i = 0; i < q.size(); ++i) q[i] = Cache::draw(11, static_cast<int>(i));
    std::vector<AttentionQuery> queries;
    for (int i = 0; i < kRows * kHeads; ++i) {
      const AttentionQuery query{&q[static_cast<size_t>(i * kDim)],
                                 &together[static_cast<size_t>(i * kDim)], 50 + i / kHeads};
      queries.push_back(query);
      AttentionQuery one = query;
      one.y = &alone[static_cast<size_t>(i * kDim)];
      variant.run(moved.head, 0.125f, moved.pages, {&one, 1});
    }
    variant.run(cache.head, 0.125f, cache.pages, queries);
    EXPECT_EQ(together, alone) << name(variant.isa);
  }
}

TEST_P(AttentionTest, EveryVariantStoresTheSameBits) {
  for (const auto& variant : kKvStore) {
    if (!supported(variant.isa)) continue;
    Cache want(GetParam(), 20, 12, 40, {1, 0}), got(GetParam(), 20, 12, 40, {1, 0});
    for (Cache* cache : {&want, &got}) {
      for (float& x : cache->k) x *= 1.0009765f;  // no longer exact: rounding must agree
    }
    want.store(kv_store_ref);
    got.store(variant.run);
    EXPECT_EQ(got.memory, want.memory) << name(variant.isa);
  }
}

INSTANTIATE_TEST_SUITE_P(, AttentionTest, testing::Values(DType::kF32, DType::kF16, DType::kBF16),
                         [](const auto& test) { return std::string(r1::info(test.param).name); });

}  // namespace
}  // namespace r1
