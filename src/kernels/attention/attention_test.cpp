#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "quant/half.h"

namespace r1 {
namespace {

constexpr int kTile = kAttentionTile;
constexpr int kPages = 23;  // of a cache: almost three spans

// All pages of a cache, in an order of their own.
std::vector<int32_t> order(int step) {
  std::vector<int32_t> pages;
  for (int i = 0; i < kPages; ++i) pages.push_back((5 + i * step) % kPages);
  return pages;
}

// n positions of random keys and values in pages of a given order; unused positions hold NaN.
// Latent: the values are the beginnings of the keys, and not stored.
struct Cache {
  std::vector<float> k, v;  // as given, [n, dim]
  std::vector<std::byte> memory;
  std::vector<int32_t> pages;
  KvHead head;

  static size_t bytes(DType dtype, int dim) {  // of a page of vectors
    return static_cast<size_t>(kTile * dim / info(dtype).block * info(dtype).block_bytes);
  }
  Cache(DType dtype, int k_dim, int v_dim, int n, std::vector<int32_t> order, bool latent = false)
      : pages(std::move(order)) {
    const size_t page_bytes = bytes(dtype, k_dim) + (latent ? 0 : bytes(dtype, v_dim));
    memory.assign(page_bytes * kPages, std::byte{0xff});
    head = {memory.data(),
            latent ? nullptr : memory.data() + bytes(dtype, k_dim),
            static_cast<int64_t>(page_bytes),
            k_dim,
            v_dim,
            dtype};
    for (int i = 0; i < n * k_dim; ++i) k.push_back(element(1, i, i % k_dim));
    for (int i = 0; i < n * v_dim; ++i) {
      v.push_back(latent ? k[static_cast<size_t>(i / v_dim * k_dim + i % v_dim)]
                         : element(2, i, i % v_dim));
    }
  }
  // Exact in every type: in Q8_0 because the largest of 32 elements makes their scale 1 / 32.
  float element(uint64_t stream, int i, int d) const {
    constexpr float kLargest = 127.0f / 32;
    const float x = std::clamp(draw(stream, i), -kLargest, kLargest);
    return head.dtype == DType::kQ8_0 && d % 32 == 7 ? std::copysign(kLargest, x) : x;
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

// y of queries whose sums start here, span by span.
void attend(Attention* run, const Cache& cache, float scale, std::span<AttentionQuery> queries) {
  std::vector<AttentionSum> sums(queries.size());
  int32_t last = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    queries[i].sum = &sums[i];
    std::fill_n(queries[i].y, cache.head.v_dim, -0.0f);
    last = std::max(last, queries[i].position);
  }
  for (int32_t first = 0; first <= last; first += kAttentionSpan) {
    std::vector<AttentionQuery> reaching;
    std::ranges::copy_if(queries, std::back_inserter(reaching),
                         [&](const AttentionQuery& q) { return q.position >= first; });
    run(cache.head, scale, cache.pages, first, reaching);
  }
  for (size_t i = 0; i < queries.size(); ++i) {
    for (int d = 0; d < cache.head.v_dim; ++d) queries[i].y[d] /= sums[i].l;
  }
}

class AttentionTest : public testing::TestWithParam<DType> {
 protected:
  static bool suits(int k_dim, int v_dim) {
    return (k_dim | v_dim) % r1::info(GetParam()).block == 0;
  }
};

TEST_P(AttentionTest, EveryVariantComputesTheFormula) {
  for (const auto& variant : kAttention) {
    if (!supported(variant.isa)) continue;
    for (const auto& [k_dim, v_dim, latent] : {std::tuple{64, 64, false},
                                               {8, 8, false},
                                               {48, 24, false},
                                               {128, 128, false},
                                               {576, 512, true},
                                               {96, 32, false},
                                               {64, 32, true},
                                               {24, 16, true}}) {
      if (!suits(k_dim, v_dim)) continue;
      Cache cache(GetParam(), k_dim, v_dim, 610, order(7), latent);
      cache.store(best(kKvStore, variant.isa));
      const float scale = 1 / std::sqrt(static_cast<float>(k_dim));
      std::vector<float> q(static_cast<size_t>(k_dim)), y(static_cast<size_t>(v_dim));
      for (int i = 0; i < k_dim; ++i) q[static_cast<size_t>(i)] = 3 * Cache::draw(9, i);
      for (const int position : {0, 6, 31, 32, 70, 255, 256, 609}) {
        AttentionQuery query{q.data(), y.data(), nullptr, position};
        attend(variant.run, cache, scale, {&query, 1});
        const auto want = cache.attend(q.data(), position, scale);
        for (size_t d = 0; d < y.size(); ++d)
          EXPECT_NEAR(y[d], want[d], 2e-5) << name(variant.isa) << position;
      }
    }
  }
}

TEST_P(AttentionTest, AQueryIsTheSameAloneInCompanyAndOnOtherPages) {
  constexpr int kFirst = 245, kRows = 20, kHeads = 3;  // across the end of a span
  for (const auto& variant : kAttention) {
    if (!supported(variant.isa)) continue;
    for (const auto& [k_dim, v_dim, latent] : {std::tuple{64, 64, false},
                                               {40, 24, false},
                                               {64, 48, true},
                                               {24, 8, true},
                                               {64, 32, true}}) {
      if (!suits(k_dim, v_dim)) continue;
      Cache cache(GetParam(), k_dim, v_dim, 270, order(3), latent),
          moved(GetParam(), k_dim, v_dim, 270, order(4), latent);
      cache.store(best(kKvStore, variant.isa));
      moved.store(best(kKvStore, variant.isa));
      const auto k_size = static_cast<size_t>(k_dim), v_size = static_cast<size_t>(v_dim);
      std::vector<float> q(k_size * kRows * kHeads), together(v_size * kRows * kHeads),
          alone(together.size());
      for (size_t i = 0; i < q.size(); ++i) q[i] = Cache::draw(11, static_cast<int>(i));
      std::vector<AttentionQuery> queries;
      for (int i = 0; i < kRows * kHeads; ++i) {
        const AttentionQuery query{&q[static_cast<size_t>(i) * k_size],
                                   &together[static_cast<size_t>(i) * v_size], nullptr,
                                   kFirst + i / kHeads};
        queries.push_back(query);
        AttentionQuery one = query;
        one.y = &alone[static_cast<size_t>(i) * v_size];
        attend(variant.run, moved, 0.125f, {&one, 1});
      }
      attend(variant.run, cache, 0.125f, queries);
      EXPECT_EQ(together, alone) << name(variant.isa);
    }
  }
}

TEST_P(AttentionTest, SpansSummedForThemselvesAndMergedAreTheSameBits) {
  for (const auto& variant : kAttention) {
    if (!supported(variant.isa)) continue;
    for (const int v_dim : {64, 24, 6}) {
      constexpr int kDim = 32, kLast = 609;
      if (!suits(kDim, v_dim)) continue;
      Cache cache(GetParam(), kDim, v_dim, kLast + 1, order(7));
      cache.store(best(kKvStore, variant.isa));
      const auto size = static_cast<size_t>(v_dim);
      std::vector<float> q(kDim), want(size), got(size, -0.0f);
      for (int i = 0; i < kDim; ++i) q[static_cast<size_t>(i)] = Cache::draw(11, i);
      AttentionQuery query{q.data(), want.data(), nullptr, kLast};
      attend(variant.run, cache, 0.3f, {&query, 1});
      AttentionSum sum;
      for (int32_t first = 0; first <= kLast; first += kAttentionSpan) {
        std::vector<float> y(size, -0.0f);
        AttentionSum span;
        query.y = y.data();
        query.sum = &span;
        variant.run(cache.head, 0.3f, cache.pages, first, {&query, 1});
        best(kAttentionMerge, variant.isa)(cache.head, sum, got.data(), span, y.data());
      }
      for (float& x : got) x /= sum.l;
      EXPECT_EQ(std::memcmp(got.data(), want.data(), size * sizeof(float)), 0)
          << name(variant.isa) << v_dim;
    }
  }
}

TEST_P(AttentionTest, EveryVariantStoresTheSameBits) {
  for (const auto& variant : kKvStore) {
    if (!supported(variant.isa)) continue;
    for (const bool latent : {false, true}) {
      const int block = r1::info(GetParam()).block, k_dim = block == 1 ? 20 : 64;
      const int v_dim = block == 1 ? 12 : 32;
      Cache want(GetParam(), k_dim, v_dim, 40, {1, 0}, latent);
      for (size_t i = 0; i < want.k.size(); ++i) {
        want.k[i] *= 1.0009765f;  // no longer exact: rounding must agree
        if (i % 7 == 0) want.k[i] *= 1e-6f;
        if (i % 100 == 0) want.k[i] = i % 200 == 0 ? INFINITY : NAN;
      }
      std::fill_n(want.v.begin(), want.v.size() / 2, 0.0f);
      Cache got = want;
      got.head.k = got.memory.data();
      if (!latent) got.head.v = got.memory.data() + (want.head.v - want.head.k);
      want.store(kv_store_ref);
      got.store(variant.run);
      EXPECT_EQ(got.memory, want.memory) << name(variant.isa);
    }
  }
}

TEST(KvStore, Q8_0IsTheNearestCodeAndANumberOnlyIfAllAre) {
  Cache cache(DType::kQ8_0, 32, 32, 32, {0}, true);  // [32 positions, 32] codes, 32 scales
  auto* codes = reinterpret_cast<const int8_t*>(cache.memory.data());
  auto* scales = reinterpret_cast<const uint16_t*>(codes + 32 * 32);
  for (int i = 0; i < 32; ++i) cache.k[static_cast<size_t>(32 + i)] = 0;
  for (int i = 0; i < 32; ++i) cache.k[static_cast<size_t>(64 + i)] = static_cast<float>(i) * 1e30f;
  cache.k[96] = NAN;
  cache.k[128] = -INFINITY;
  for (int i = 160; i < 192; ++i) cache.k[static_cast<size_t>(i)] *= 0.77f;
  cache.store(kv_store_ref);
  EXPECT_EQ(f16_to_f32(scales[0]), 1.0f / 32);
  for (size_t i = 0; i < 32; ++i) EXPECT_EQ(static_cast<float>(codes[i]) / 32, cache.k[i]);
  EXPECT_EQ(f16_to_f32(scales[1]), 0);
  EXPECT_EQ(f16_to_f32(scales[2]), 65504.0f);  // the largest there is
  EXPECT_EQ(codes[64 + 31], 127);
  EXPECT_TRUE(std::isnan(f16_to_f32(scales[3])));
  EXPECT_TRUE(std::isnan(f16_to_f32(scales[4])));
  const float step = f16_to_f32(scales[5]);
  for (size_t i = 160; i < 192; ++i)
    EXPECT_LE(std::fabs(static_cast<float>(codes[i]) * step - cache.k[i]), 0.502f * step);
}

INSTANTIATE_TEST_SUITE_P(, AttentionTest,
                         testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0),
                         [](const auto& test) { return std::string(r1::info(test.param).name); });

}  // namespace
}  // namespace r1
