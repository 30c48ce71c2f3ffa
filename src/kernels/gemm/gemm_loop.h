// The loop of gemm.h that instruction sets share (vector_avx2.h ...): after Goto and van de Geijn,
// 2008. A tile of C, kRows rows by two registers, stays in registers while kDepth steps of K go by;
// B is copied into panels a tile wide that stay in the first-level cache, A into blocks that stay
// in the second, where that pays. Lanes are columns of C. `V`: a register of kLanes floats. `Step`:
// what one step of K is, 4 bytes of a row or column: a float, or a pair of BF16 that the copies are
// converted to.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/gemm/gemm.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

template <class V>
struct F32Step {
  static constexpr bool kConverts = false;
  static constexpr int kElements = 1;
  R1_INLINE static auto add_product(typename V::Float sum, typename V::Float a,
                                    typename V::Float b) {
    return V::fma(a, b, sum);
  }
  static void convert_lanes(float*, int64_t, int64_t) {}
  static void convert_rows(float*, int64_t) {}
};

template <class V>
struct GemmLoop {
  using Float = typename V::Float;
  static constexpr int kLanes = V::kLanes, kRows = V::kRows;
  static constexpr int64_t kCols = 2 * kLanes;
  static constexpr int64_t kDepth = 256;         // elements of K
  static constexpr int64_t kHigh = 16 * kRows;   // rows of A in a block
  static constexpr int64_t kShort = 64;          // columns of A that stay in the first-level cache
  static constexpr int64_t kDirect = 4 * kRows;  // up to so many rows B is read where it lies

  // M rows of C by R registers, of which the last has the lanes `last`. Step s of row i of A is
  // at a[i * a_stride + s], or where rows lie side by side at a[s * a_stride + i].
  template <class Step, int M, int R, bool kSide>
  static void tile(int64_t steps, const float* a, int64_t a_stride, const float* b,
                   int64_t b_stride, float* c, int64_t c_stride, typename V::Mask last, bool add) {
    Float sum[M][R];
    unroll<M>([&](auto i) R1_INLINE {
      unroll<R>([&](auto r) R1_INLINE {
        if (!add) {
          sum[i][r] = V::zero();
        } else if constexpr (r + 1 < R) {
          sum[i][r] = V::load(c + i * c_stride + r * kLanes);
        } else {
          sum[i][r] = V::load(c + i * c_stride + r * kLanes, last);
        }
      });
    });
    for (int64_t s = 0; s < steps; ++s, b += b_stride, a += kSide ? a_stride : 1) {
      Float x[R];
      unroll<R - 1>([&](auto r) R1_INLINE { x[r] = V::load(b + r * kLanes); });
      x[R - 1] = V::load(b + (R - 1) * kLanes, last);
      unroll<M>([&](auto i) R1_INLINE {
        const Float factor = V::broadcast(kSide ? a + i : a + i * a_stride);
        unroll<R>([&](auto r)
                      R1_INLINE { sum[i][r] = Step::add_product(sum[i][r], factor, x[r]); });
      });
    }
    unroll<M>([&](auto i) R1_INLINE {
      unroll<R - 1>([&](auto r) R1_INLINE { V::store(c + i * c_stride + r * kLanes, sum[i][r]); });
      V::store(c + i * c_stride + (R - 1) * kLanes, last, sum[i][R - 1]);
    });
  }

  // Any number of rows m <= kRows and of columns n <= kCols.
  template <class Step, bool kSide>
  static void tile(int64_t m, int64_t n, int64_t steps, const float* a, int64_t a_stride,
                   const float* b, int64_t b_stride, float* c, int64_t c_stride, bool add) {
    const auto last = V::first(static_cast<int>(n > kLanes ? n - kLanes : n));
    unroll<kRows>([&](auto i) {
      if (m != i + 1) return;
      if (n > kLanes) {
        tile<Step, i + 1, 2, kSide>(steps, a, a_stride, b, b_stride, c, c_stride, last, add);
      } else {
        tile<Step, i + 1, 1, kSide>(steps, a, a_stride, b, b_stride, c, c_stride, last, add);
      }
    });
  }

  // to[s * width + j] = from[s * stride + j], j < n <= width, the rest 0.
  static void copy_lanes(const float* from, int64_t stride, int64_t depth, int64_t n, int64_t width,
                         float* to) {
    for (int64_t j = 0; j < width; j += kLanes) {
      const auto lanes = [j](int64_t x) {
        return V::first(static_cast<int>(std::clamp<int64_t>(x - j, 0, kLanes)));
      };
      const auto in = lanes(n), out = lanes(width);
      for (int64_t s = 0; s < depth; ++s)
        V::store(to + s * width + j, out, V::load(from + s * stride + j, in));
    }
  }

  // to[s * width + j] = from[j * stride + s], likewise.
  static void copy_turned(const float* from, int64_t stride, int64_t depth, int64_t n,
                          int64_t width, float* to) {
    constexpr int64_t kBlock = 16;  // a cache line of each row
    for (int64_t s0 = 0; s0 < depth; s0 += kBlock) {
      const int64_t end = std::min(s0 + kBlock, depth);
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t s = s0; s < end; ++s) to[s * width + j] = from[j * stride + s];
      }
      for (int64_t s = s0; s < end && n < width; ++s)
        std::memset(to + s * width + n, 0, static_cast<size_t>(width - n) * sizeof(float));
    }
  }

  template <class Step>
  static void multiply(const GemmProduct& p) {
    alignas(64) float a_block[kHigh * kDepth];
    alignas(64) float b_panel[(kDepth + 1) * kCols];
    const bool side = p.a.col != 1;  // rows of A lie side by side
    const bool copy_a = Step::kConverts || (side && p.n > kCols && p.k > kShort);
    const bool copy_b = Step::kConverts || p.b.col != 1 || p.m > kDirect;
    for (int64_t k = 0; k < p.k || k == 0; k += kDepth) {
      const int64_t depth = std::min(kDepth, p.k - k);
      const int64_t steps = (depth + Step::kElements - 1) / Step::kElements;
      const bool add = p.add || k > 0;
      for (int64_t i0 = 0; i0 < p.m; i0 += kHigh) {
        const int64_t rows = std::min(kHigh, p.m - i0);
        const float* a = p.a.data + i0 * p.a.row + k * p.a.col;
        if (copy_a) copy_block<Step>(p.a, a, rows, depth, a_block);
        for (int64_t j = 0; j < p.n; j += kCols) {
          const int64_t cols = std::min(kCols, p.n - j);
          const float* b = p.b.data + k * p.b.row + j * p.b.col;
          if (copy_b) copy_panel<Step>(p.b, b, depth, cols, b_panel);
          const float* panel = copy_b ? b_panel : b;
          const int64_t b_stride = copy_b ? kCols : p.b.row;
          for (int64_t i = 0; i < rows; i += kRows) {
            const int64_t m = std::min<int64_t>(kRows, rows - i);
            float* c = p.c + (i0 + i) * p.c_stride + j;
            if (side) {
              tile<Step, true>(m, cols, steps, copy_a ? a_block + i * steps : a + i,
                               copy_a ? kRows : p.a.col, panel, b_stride, c, p.c_stride, add);
            } else {
              tile<Step, false>(m, cols, steps, copy_a ? a_block + i * kDepth : a + i * p.a.row,
                                copy_a ? kDepth : p.a.row, panel, b_stride, c, p.c_stride, add);
            }
          }
        }
      }
    }
  }

 private:
  // Rows of A: side by side in tiles [steps][kRows], else each [kDepth].
  template <class Step>
  static void copy_block(const GemmOperand& a, const float* from, int64_t rows, int64_t depth,
                         float* to) {
    if (a.col == 1) {
      for (int64_t i = 0; i < rows; ++i) {
        std::memcpy(to + i * kDepth, from + i * a.row, static_cast<size_t>(depth) * sizeof(float));
        Step::convert_rows(to + i * kDepth, depth);
      }
      return;
    }
    const int64_t steps = (depth + Step::kElements - 1) / Step::kElements;
    alignas(64) float tile[Step::kConverts ? (kDepth + 1) * kRows : 1];
    for (int64_t i = 0; i < rows; i += kRows) {
      float* at = to + i * steps;
      copy_lanes(from + i, a.col, depth, std::min<int64_t>(kRows, rows - i), kRows,
                 Step::kConverts ? tile : at);
      if constexpr (Step::kConverts) {
        Step::convert_lanes(tile, depth, kRows);
        std::memcpy(at, tile, static_cast<size_t>(steps * kRows) * sizeof(float));
      }
    }
  }

  template <class Step>
  static void copy_panel(const GemmOperand& b, const float* from, int64_t depth, int64_t cols,
                         float* to) {
    if (b.col == 1) {
      copy_lanes(from, b.row, depth, cols, kCols, to);
    } else {
      copy_turned(from, b.col, depth, cols, kCols, to);
    }
    Step::convert_lanes(to, depth, kCols);
  }
};

}  // namespace r1
