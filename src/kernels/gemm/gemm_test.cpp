#include "kernels/gemm/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace r1 {
namespace {

struct Shape {
  int64_t m, n, k;
};

// Of the tiles' edges, of the copies' (m > 4 tiles, n > a tile) and of the blocks of K.
constexpr Shape kShapes[] = {{1, 1, 1},     {8, 32, 5},    {9, 33, 256},  {6, 16, 257},
                             {7, 15, 31},   {40, 70, 300}, {133, 31, 64}, {150, 97, 515},
                             {37, 270, 30}, {3, 64, 0}};

// An operand [rows, cols], of whose strides one is 1, with a gap after each row.
struct Values {
  std::vector<float> memory;
  GemmOperand view;

  Values(int64_t rows, int64_t cols, bool turned, uint64_t stream)
      : memory(static_cast<size_t>((rows + 3) * (cols + 3))) {
    for (size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<float>(normal(7, stream, i));
    view =
        turned ? GemmOperand{memory.data(), 1, rows + 3} : GemmOperand{memory.data(), cols + 3, 1};
  }
};

template <class Body>
void for_each_case(const Body& body) {
  for (const Shape& s : kShapes) {
    for (const int turned : {0, 1, 2, 3}) {
      for (const bool bf16 : {false, true}) {
        for (const bool add : {false, true}) {
          SCOPED_TRACE(testing::Message() << s.m << 'x' << s.n << 'x' << s.k << " turned " << turned
                                          << " bf16 " << bf16 << " add " << add);
          const Values a(s.m, s.k, turned & 1, 1), b(s.k, s.n, turned & 2, 2);
          const Values c(s.m, s.n, false, 3);
          body(GemmProduct{s.m, s.n, s.k, a.view, b.view, nullptr, c.view.row, add, bf16},
               c.memory);
        }
      }
    }
  }
}

std::vector<float> run(Gemm* gemm, GemmProduct p, std::vector<float> c) {
  p.c = c.data();
  gemm(p);
  return c;
}

TEST(Gemm, ReferenceIsTheDefinition) {
  const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8};
  const auto product = [&](GemmOperand x, GemmOperand y, bool add) {
    return run(gemm_ref, {2, 2, 2, x, y, nullptr, 2, add, false}, {1, 1, 1, 1});
  };
  EXPECT_EQ(product({a, 2, 1}, {b, 2, 1}, false), (std::vector<float>{19, 22, 43, 50}));
  EXPECT_EQ(product({a, 1, 2}, {b, 2, 1}, true), (std::vector<float>{27, 31, 39, 45}));
  EXPECT_EQ(product({a, 2, 1}, {b, 1, 2}, false), (std::vector<float>{17, 23, 39, 53}));
}

TEST(Gemm, EveryVariantAgreesWithTheReference) {
  for (const auto& variant : kGemm) {
    if (!supported(variant.isa)) continue;
    SCOPED_TRACE(name(variant.isa));
    for_each_case([&](const GemmProduct& p, const std::vector<float>& c) {
      const auto got = run(variant.run, p, c), want = run(gemm_ref, p, c);
      for (size_t i = 0; i < got.size(); ++i)  // the gaps between rows too
        ASSERT_NEAR(got[i], want[i], 2e-5 * std::sqrt(static_cast<double>(p.k + 1))) << i;
    });
  }
}

// Law 1: parts of M and N are the same bits, and so is K cut in two.
TEST(Gemm, EveryVariantGivesTheSameBitsHoweverItIsSplit) {
  for (const auto& variant : kGemm) {
    if (!supported(variant.isa)) continue;
    SCOPED_TRACE(name(variant.isa));
    for_each_case([&](const GemmProduct& p, const std::vector<float>& c) {
      const auto whole = run(variant.run, p, c);
      auto parts = c;
      const int64_t m = p.m / 3, n = p.n / 2, k = p.k / 4 * 2;
      for (const auto& [i, rows] : {std::pair{int64_t{0}, m}, {m, p.m - m}}) {
        for (const auto& [j, cols] : {std::pair{int64_t{0}, n}, {n, p.n - n}}) {
          for (const auto& [from, depth] : {std::pair{int64_t{0}, k}, {k, p.k - k}}) {
            GemmProduct part = p;
            part.m = rows;
            part.n = cols;
            part.k = depth;
            part.a.data += i * p.a.row + from * p.a.col;
            part.b.data += from * p.b.row + j * p.b.col;
            part.c = parts.data() + i * p.c_stride + j;
            part.add = p.add || from > 0;
            variant.run(part);
          }
        }
      }
      ASSERT_EQ(whole, parts);
    });
  }
}

}  // namespace
}  // namespace r1
