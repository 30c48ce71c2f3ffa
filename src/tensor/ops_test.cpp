#include "tensor/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/rng.h"
#include "kernels/matmul/random_matrix.h"

namespace r1 {
namespace {

Tensor random(Context& ctx, int64_t rows, int64_t cols, uint64_t stream) {
  Tensor x = ctx.tensor(rows, cols);
  for (int64_t i = 0; i < x.size(); ++i) {
    x.data()[i] = static_cast<float>(normal(1, stream, static_cast<uint64_t>(i)));
  }
  return x;
}

StoredMatrix stored(const Tensor& values) {
  StoredMatrix m;
  m.rows = values.rows();
  m.cols = values.cols();
  m.bytes = reinterpret_cast<const std::byte*>(values.data());
  return m;
}

Weight pack(Context& ctx, const StoredMatrix& m) {
  const MatmulKernel& kernel = *Weight::kernel_for(m.dtype, Compute::kF32, ctx.isa());
  return Weight::pack(ctx, m, kernel, *reserve_pages(Weight::packed_bytes(kernel, m.rows, m.cols)));
}

TEST(Linear, IsXWTransposedPlusBiasForEveryShapeAndNumberOfThreads) {
  for (const Isa isa : supported_isas()) {
    Context one(isa, 1), two(isa, 2);
    for (const auto& [n_tokens, n_rows, n_cols] :
         {std::tuple{1, 1, 1}, {1, 37, 64}, {3, 16, 33}, {70, 100, 96}, {130, 500, 300}}) {
      const Tensor x = random(one, n_tokens, n_cols, 1), w = random(one, n_rows, n_cols, 2);
      const Tensor bias = random(one, 1, n_rows, 3);
      const Weight weight = pack(one, stored(w));
      const Tensor y = linear(one, x, weight, bias);
      for (int64_t t = 0; t < n_tokens; ++t) {
        for (int64_t r = 0; r < n_rows; ++r) {
          double want = bias.data()[r], size = std::fabs(want);
          for (int64_t k = 0; k < n_cols; ++k) {
            const double product = static_cast<double>(x.row(t)[static_cast<size_t>(k)]) *
                                   w.row(r)[static_cast<size_t>(k)];
            want += product;
            size += std::fabs(product);
          }
          ASSERT_NEAR(y.row(t)[static_cast<size_t>(r)], want, 1e-5 * size) << name(isa);
        }
      }
      const Tensor same = linear(two, x, pack(two, stored(w)), bias);
      EXPECT_EQ(std::memcmp(y.data(), same.data(), static_cast<size_t>(y.size()) * sizeof(float)),
                0);
    }
  }
}

// A weight of random stored values.
struct RandomWeight {
  RandomWeight(Context& ctx, DType type, int64_t rows, int64_t cols, uint64_t seed)
      : bytes(random_matrix(type, rows, cols, seed)) {
    StoredMatrix m;
    m.dtype = type;
    m.rows = rows;
    m.cols = cols;
    m.bytes = bytes.data();
    const MatmulKernel& kernel = *Weight::kernel_for(type, Compute::kFast, ctx.isa());
    weight = Weight::pack(ctx, m, kernel, *reserve_pages(Weight::packed_bytes(kernel, rows, cols)));
  }
  std::vector<std::byte> bytes;
  Weight weight;
};

void expect_same_bits(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.cols(), b.cols());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(a.size()) * sizeof(float)), 0);
}

TEST(Linear, SeveralOfOneInputAreWhatTheyAreAlone) {
  for (const Isa isa : supported_isas()) {
    Context ctx(isa, 3);
    constexpr int64_t kCols = 256;
    const RandomWeight a(ctx, DType::kQ5_0, 500, kCols, 1), b(ctx, DType::kQ4_K, 37, kCols, 2),
        c(ctx, DType::kQ5_0, 1, kCols, 3), d(ctx, DType::kBF16, 64, kCols, 4);
    const Tensor bias = random(ctx, 1, 37, 5);
    for (const int64_t n_tokens : {1, 3, 130}) {
      const Tensor x = random(ctx, n_tokens, kCols, 6);
      const auto y =
          linear(ctx, x, {{a.weight, {}}, {b.weight, bias}, {c.weight, {}}, {d.weight, {}}});
      expect_same_bits(y[0], linear(ctx, x, a.weight));
      expect_same_bits(y[1], linear(ctx, x, b.weight, bias));
      expect_same_bits(y[2], linear(ctx, x, c.weight));
      expect_same_bits(y[3], linear(ctx, x, d.weight));
    }
  }
}

TEST(SwiGlu, OfTwoProductsIsTheGateOfThem) {
  for (const Isa isa : supported_isas()) {
    Context ctx(isa, 3);
    constexpr int64_t kCols = 256;
    for (const int64_t n_rows : {1, 37, 500}) {
      const RandomWeight gate(ctx, DType::kQ4_K, n_rows, kCols, 1),
          up(ctx, DType::kF16, n_rows, kCols, 2);
      const Tensor bias = random(ctx, 1, n_rows, 5);
      for (const int64_t n_tokens : {1, 3, 130}) {
        const Tensor x = random(ctx, n_tokens, kCols, 6);
        expect_same_bits(swiglu(ctx, x, {gate.weight, bias}, {up.weight, {}}),
                         swiglu(ctx, linear(ctx, x, gate.weight, bias), linear(ctx, x, up.weight)));
      }
    }
  }
}

TEST(Weight, F8E4M3IsItsValuesTimesTheScaleOfTheirBlock) {
  Context ctx(Isa::kRef, 1);
  const std::vector<std::byte> codes(3 * 5, std::byte{0x38});  // 1.0
  StoredMatrix m;
  m.dtype = DType::kF8E4M3;
  m.rows = 3;
  m.cols = 5;
  m.bytes = codes.data();
  m.scales = {1, 2, 3, 4, 5, 6};  // blocks of 2 x 2, the last ones ragged
  m.scale_rows = m.scale_cols = 2;
  const int32_t all[] = {0, 1, 2};
  const Tensor values = embed(ctx, m, all);
  const std::vector<float> want = {1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6};
  EXPECT_EQ(std::vector<float>(values.data(), values.data() + 15), want);
  Tensor unit = ctx.tensor(1, 5);
  std::fill(unit.data(), unit.data() + 5, 1.0f);
  const Tensor sums = linear(ctx, unit, pack(ctx, m));
  EXPECT_EQ(std::vector<float>(sums.data(), sums.data() + 3), (std::vector<float>{9, 9, 24}));
}

TEST(RmsNorm, NormalisesRowsOrHeads) {
  Context ctx(Isa::kRef, 1);
  Tensor x = ctx.tensor(1, 4), w = ctx.tensor(1, 2);
  const float values[] = {3, 3, -5, -5};
  std::copy(values, values + 4, x.data());
  w.data()[0] = 1;
  w.data()[1] = 2;
  const Tensor y = rms_norm(ctx, x, w, 0);
  EXPECT_EQ(std::vector<float>(y.data(), y.data() + 4), (std::vector<float>{1, 2, -1, -2}));
}

TEST(Context, MemoryIsUsedAgainOnceNobodyHoldsIt) {
  Context ctx(Isa::kRef, 1);
  const float* first;
  {
    const Tensor a = ctx.tensor(3, 100);
    first = a.data();
    EXPECT_NE(ctx.tensor(3, 100).data(), first);
  }
  EXPECT_EQ(ctx.tensor(2, 140).data(), first);  // the same size class
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
}

TEST(Attention, ManyHeadsOnOneKeyAndManyRowsAreWhatOneQueryAloneIs) {
  for (const Isa isa : supported_isas()) {
    Context ctx(isa, 2);
    constexpr int kDim = 16, kRows = 40, kHeads = 70;  // more heads than one kernel call takes
    auto kv = KvPages::create({1, 1, kDim, kDim, DType::kF32}, 4);
    ASSERT_TRUE(kv) << kv.error().message;
    const Tensor q = random(ctx, kRows, kHeads * kDim, 1), k = random(ctx, kRows, kDim, 2),
                 v = random(ctx, kRows, kDim, 3);
    const int32_t pages[] = {3, 1};
    const SequenceRows all[] = {{0, kRows, 0, pages}};
    kv_append(ctx, *kv, 0, all, k, v);
    const Tensor y = attention(ctx, q, kHeads, *kv, 0, all, 0.25);
    for (const int row : {0, 31, 32, 39}) {
      const int32_t index[] = {row};
      const SequenceRows alone[] = {{0, 1, row, pages}};
      const Tensor one = attention(ctx, rows(ctx, q, index), kHeads, *kv, 0, alone, 0.25);
      EXPECT_EQ(std::memcmp(one.data(), y.row(row).data(), sizeof(float) * kHeads * kDim), 0)
          << name(isa) << row;
    }
  }
}

// The last row of every sequence.
std::vector<SequenceRows> last_rows(const std::vector<std::vector<int32_t>>& pages,
                                    const std::vector<int32_t>& lengths) {
  std::vector<SequenceRows> rows;
  for (size_t i = 0; i < pages.size(); ++i)
    rows.push_back({static_cast<int32_t>(i), 1, lengths[i] - 1, pages[i]});
  return rows;
}

TEST(Attention, ARowIsTheSameAloneAndAmongSequencesThatShareAPrefix) {
  constexpr int kKeys = 3, kHeads = 9, kDim = 16, kSequences = 24, kShared = 18;  // pages
  for (const Isa isa : supported_isas()) {
    Context one(isa, 1), two(isa, 2);
    auto kv = KvPages::create({1, kKeys, kDim, kDim, DType::kF16}, kShared + 2 * kSequences);
    ASSERT_TRUE(kv) << kv.error().message;
    std::vector<int32_t> all(static_cast<size_t>(kv->n_pages()));
    std::iota(all.begin(), all.end(), 0);
    const int64_t n = kv->n_pages() * int64_t{kKvPage};
    const SequenceRows everything[] = {{0, static_cast<int32_t>(n), 0, all}};
    kv_append(one, *kv, 0, everything, random(one, n, kKeys * kDim, 2),
              random(one, n, kKeys * kDim, 3));
    std::vector<std::vector<int32_t>> pages(kSequences);
    std::vector<int32_t> lengths;
    for (int i = 0; i < kSequences; ++i) {  // every third shares nothing
      for (int j = 0; j < kShared; ++j)
        pages[static_cast<size_t>(i)].push_back(i % 3 ? j : kShared - 1 - j + i / 3);
      pages[static_cast<size_t>(i)].push_back(kShared + 2 * i);
      pages[static_cast<size_t>(i)].push_back(kShared + 2 * i + 1);
      lengths.push_back(i % 5 == 0 ? 3 + i : kShared * kKvPage + 1 + 2 * i);
    }
    const Tensor q = random(one, kSequences, kHeads * kDim, 1);
    const Tensor together = attention(two, q, kHeads, *kv, 0, last_rows(pages, lengths), 0.25);
    for (int32_t i = 0; i < kSequences; ++i) {
      const auto at = static_cast<size_t>(i);
      const SequenceRows alone[] = {{0, 1, lengths[at] - 1, pages[at]}};
      for (Context* ctx : {&one, &two}) {  // alone, its spans go to both threads
        const Tensor y = attention(*ctx, rows(*ctx, q, {&i, 1}), kHeads, *kv, 0, alone, 0.25);
        EXPECT_EQ(std::memcmp(y.data(), together.row(i).data(), sizeof(float) * kHeads * kDim), 0)
            << name(isa) << " sequence " << i;
      }
    }
  }
}

TEST(Attention, ManyHeadsOverManySpansAreWhatEachHeadIsAlone) {
  constexpr int kHeads = 256, kKey = 8, kValue = 256, kRows = 1100;  // more sums than are kept
  for (const Isa isa : supported_isas()) {
    Context ctx(isa, 1);
    auto kv = KvPages::create({1, 1, kKey, kValue, DType::kF32}, kRows / kKvPage + 1);
    ASSERT_TRUE(kv) << kv.error().message;
    std::vector<int32_t> pages(static_cast<size_t>(kv->n_pages()));
    std::iota(pages.begin(), pages.end(), 0);
    const SequenceRows all[] = {{0, kRows, 0, pages}}, last[] = {{0, 1, kRows - 1, pages}};
    kv_append(ctx, *kv, 0, all, random(ctx, kRows, kKey, 2), random(ctx, kRows, kValue, 3));
    const Tensor q = random(ctx, 1, kHeads * kKey, 1);
    const Tensor y = attention(ctx, q, kHeads, *kv, 0, last, 0.25);
    for (const int head : {0, 63, 64, 255}) {
      Tensor alone = ctx.tensor(1, kKey);
      std::copy_n(q.data() + head * kKey, kKey, alone.data());
      const Tensor one = attention(ctx, alone, 1, *kv, 0, last, 0.25);
      EXPECT_EQ(std::memcmp(one.data(), y.data() + head * kValue, sizeof(float) * kValue), 0)
          << name(isa) << " head " << head;
    }
  }
}

TEST(Attention, LatentValuesAreTheBeginningsOfTheKeys) {
  constexpr int kRows = 40, kHeads = 16, kKey = 24, kValue = 16;
  for (const Isa isa : supported_isas()) {
    Context ctx(isa, 2);
    auto latent = KvPages::create({1, 1, kKey, kValue, DType::kF16, true}, 2);
    auto plain = KvPages::create({1, 1, kKey, kValue, DType::kF16}, 2);
    ASSERT_TRUE(latent && plain);
    EXPECT_EQ(latent->shape().bytes_per_token(), kKey * 2u);
    const Tensor q = random(ctx, kRows, kHeads * kKey, 1), k = random(ctx, kRows, kKey, 2);
    Tensor v = ctx.tensor(kRows, kValue);
    for (int64_t i = 0; i < kRows; ++i) std::copy_n(k.row(i).data(), kValue, v.row(i).data());
    const int32_t pages[] = {1, 0};
    const SequenceRows all[] = {{0, kRows, 0, pages}};
    kv_append(ctx, *latent, 0, all, k);
    kv_append(ctx, *plain, 0, all, k, v);
    const Tensor got = attention(ctx, q, kHeads, *latent, 0, all, 0.25);
    const Tensor want = attention(ctx, q, kHeads, *plain, 0, all, 0.25);
    for (int64_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got.data()[i], want.data()[i], 5e-5) << name(isa);
  }
}

TEST(KvPages, APageIsCopiedWithAllItsLayers) {
  const KvShape shape{2, 3, 4, 5, DType::kBF16};
  EXPECT_EQ(shape.bytes_per_token(), 2u * 3 * 9 * 2);
  auto kv = KvPages::create(shape, 3);
  ASSERT_TRUE(kv) << kv.error().message;
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 3; ++head) {
      std::memset(kv->k(0, layer, head), 1 + head, 4 * kKvPage * 2);
      std::memset(kv->v(0, layer, head), 9 + head, 5 * kKvPage * 2);
    }
  }
  kv->copy_page(0, 2);
  EXPECT_EQ(std::memcmp(kv->k(0, 0, 0), kv->k(2, 0, 0), shape.bytes_per_page()), 0);
  EXPECT_EQ(*kv->v(2, 1, 2), std::byte{11});
  EXPECT_EQ(*kv->k(2, 1, 2), std::byte{3});
}

TEST(KvPages, Q8_0TakesSeventeenSixteenthsOfAByteAnElementAndWholeBlocks) {
  EXPECT_EQ((KvShape{2, 3, 64, 32, DType::kQ8_0}).bytes_per_token(), 2u * 3 * 96 * 34 / 32);
  const auto kv = KvPages::create({1, 1, 64, 40, DType::kQ8_0}, 1);
  ASSERT_FALSE(kv);
  EXPECT_EQ(kv.error().message,
            "keys of 64 and values of 40 elements cannot be kept as Q8_0: multiples of 32 can; "
            "use f16");
}

TEST(KvPages, MoreThanTheAddressSpaceIsAnErrorThatNamesTheSize) {
  const auto kv = KvPages::create({1 << 20, 1 << 10, 1 << 10, 1 << 10, DType::kF32}, 1 << 30);
  ASSERT_FALSE(kv);
  EXPECT_NE(kv.error().message.find("256 TiB"), std::string::npos) << kv.error().message;
}

}  // namespace
}  // namespace r1
