// The loop of gemm.h that instruction sets share (vector_avx2.h ...): after Goto and van de Geijn,
// 2008. A tile of C, kRows rows by two registers, stays in registers while kSteps steps of K go by;
// B is copied into panels a tile wide, of which one stays in the first-level cache and all in the
// second, where a block of A's rows meets them; copies are made row by row as memory lies, and what
// is copied next is fetched while products run. Lanes are columns of C. `V`: a register of kLanes
// floats. `Step`: what one step of K is, 4 bytes of a row or column: a float, or a pair of BF16
// that copies are converted to.
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
  // One step of lanes that lie side by side; the next of its `left` elements is `stride` further.
  R1_INLINE static auto lanes(const float* from, int64_t /*stride*/, int64_t /*left*/,
                              typename V::Mask m) {
    return V::load(from, m);
  }
  // The steps of one lane, whose elements lie side by side.
  static void row(const float* from, int64_t depth, float* to) {
    std::memcpy(to, from, static_cast<size_t>(depth) * sizeof(float));
  }
};

// Parts of operands that are copied later, of which some lines at a time are asked for.
class Upcoming {
 public:
  explicit Upcoming(int64_t n_calls) : n_calls_(n_calls) {}  // of some(), before they are wanted

  // Rows [i, i + n) of columns [k, k + depth).
  void add(const GemmOperand& x, int64_t i, int64_t n, int64_t k, int64_t depth) {
    const bool by_rows = x.col == 1;
    Part& part = parts_[n_parts_++];
    part.at = x.data + i * x.row + k * x.col;
    part.width = by_rows ? depth : n;
    part.stride = by_rows ? x.row : x.col;
    part.left = by_rows ? n : depth;
    part.at_once = (part.left * ((part.width - 1) / kLine + 1) - 1) / n_calls_ + 1;
  }

  R1_INLINE void some() {
    for (int i = 0; i < n_parts_; ++i) parts_[i].some();
  }

 private:
  static constexpr int64_t kLine = 16;  // floats

  struct Part {
    const float* at;
    int64_t width, stride, left;  // stretches of `width` floats, and how many are left
    int64_t at_once, done = 0;    // lines of a call; floats of the stretch

    R1_INLINE void some() {
      for (int64_t n = at_once; n > 0 && left > 0; --n) {
        __builtin_prefetch(at + done, 0, 2);  // into the second-level cache
        done += kLine;
        if (done < width) continue;
        done = 0;
        at += stride;
        --left;
      }
    }
  };

  int64_t n_calls_;
  int n_parts_ = 0;
  Part parts_[2];
};

template <class V>
struct GemmLoop {
  using Float = typename V::Float;
  static constexpr int kLanes = V::kLanes, kRows = V::kRows;
  static constexpr int64_t kCols = 2 * kLanes;
  static constexpr int64_t kSteps = 256;         // of K at a time
  static constexpr int64_t kTogether = 16;       // of them, between two looks ahead
  static constexpr int64_t kWide = 8 * kCols;    // columns of B that are copied together
  static constexpr int64_t kHigh = 16 * kRows;   // rows of A likewise
  static constexpr int64_t kShort = 64;          // columns of A that stay in the first-level cache
  static constexpr int64_t kDirect = 4 * kRows;  // up to so many rows B is read where it lies

  // From one row or panel of a copy to the next: a cache line more, so that they spread over all
  // sets of a cache. Rows of A that lay side by side are copied kSide together.
  static constexpr int64_t kRowStride = kSteps + 16, kSide = kLanes / kRows * kRows,
                           kSideStride = kSteps * kSide + 16, kPanelStride = kSteps * kCols + 16;

  // M rows of C by R registers, of which the last has the lanes `last`. Step s of row i of A is
  // at a[i * a_stride + s], or where rows lie side by side at a[s * a_stride + i].
  template <class Step, int M, int R, bool kSideBySide>
  static void tile(int64_t steps, const float* a, int64_t a_stride, const float* b,
                   int64_t b_stride, float* c, int64_t c_stride, typename V::Mask last, bool add,
                   Upcoming& upcoming) {
    Float sum[M][R];
    unroll<M>([&](auto i) R1_INLINE {
      unroll<R>([&](auto r) R1_INLINE {
        __builtin_prefetch(c + (M + i) * c_stride + r * kLanes, 1);  // the tile below
        if (!add) {
          sum[i][r] = V::zero();
        } else if constexpr (r + 1 < R) {
          sum[i][r] = V::load(c + i * c_stride + r * kLanes);
        } else {
          sum[i][r] = V::load(c + i * c_stride + r * kLanes, last);
        }
      });
    });
    for (int64_t left = steps; left > 0; left -= kTogether) {
      upcoming.some();
      for (int64_t s = std::min(left, kTogether); s > 0;
           --s, b += b_stride, a += kSideBySide ? a_stride : 1) {
        Float x[R];
        unroll<R - 1>([&](auto r) R1_INLINE { x[r] = V::load(b + r * kLanes); });
        x[R - 1] = V::load(b + (R - 1) * kLanes, last);
        unroll<M>([&](auto i) R1_INLINE {
          const Float factor = V::broadcast(kSideBySide ? a + i : a + i * a_stride);
          unroll<R>([&](auto r)
                        R1_INLINE { sum[i][r] = Step::add_product(sum[i][r], factor, x[r]); });
        });
      }
    }
    unroll<M>([&](auto i) R1_INLINE {
      unroll<R - 1>([&](auto r) R1_INLINE { V::store(c + i * c_stride + r * kLanes, sum[i][r]); });
      V::store(c + i * c_stride + (R - 1) * kLanes, last, sum[i][R - 1]);
    });
  }

  // Any number of rows m <= kRows and of columns n <= kCols.
  template <class Step, bool kSideBySide>
  static void tile(int64_t m, int64_t n, int64_t steps, const float* a, int64_t a_stride,
                   const float* b, int64_t b_stride, float* c, int64_t c_stride, bool add,
                   Upcoming& upcoming) {
    const auto last = V::first(static_cast<int>(n > kLanes ? n - kLanes : n));
    unroll<kRows>([&](auto i) {
      if (m != i + 1) return;
      if (n > kLanes) {
        tile<Step, i + 1, 2, kSideBySide>(steps, a, a_stride, b, b_stride, c, c_stride, last, add,
                                          upcoming);
      } else {
        tile<Step, i + 1, 1, kSideBySide>(steps, a, a_stride, b, b_stride, c, c_stride, last, add,
                                          upcoming);
      }
    });
  }

  template <class Step>
  static void multiply(const GemmProduct& p) {
    constexpr int64_t kDepth = kSteps * Step::kElements;
    alignas(64) float a_block[std::max(kHigh * kRowStride, (kHigh / kSide + 1) * kSideStride)];
    alignas(64) float b_panels[kWide / kCols * kPanelStride];
    const bool side = p.a.col != 1;  // rows of A lie side by side
    const bool copy_a = Step::kConverts || (side ? p.n > kCols && p.k > kShort : p.n > 2 * kCols);
    const bool copy_b = Step::kConverts || p.b.col != 1 || p.m > kDirect;
    for (int64_t k = 0; k < p.k || k == 0; k += kDepth) {
      const int64_t depth = std::min(kDepth, p.k - k);
      const int64_t steps = (depth + Step::kElements - 1) / Step::kElements;
      for (int64_t j0 = 0; j0 < p.n; j0 += kWide) {
        const int64_t cols = std::min(kWide, p.n - j0);
        const float* b = p.b.data + k * p.b.row + j0 * p.b.col;
        if (copy_b) copy_panels<Step>(p.b, b, depth, cols, b_panels);
        for (int64_t i0 = 0; i0 < p.m; i0 += kHigh) {
          const int64_t rows = std::min(kHigh, p.m - i0);
          const float* a = p.a.data + i0 * p.a.row + k * p.a.col;
          if (copy_a) copy_rows<Step>(p.a, a, rows, depth, a_block);
          Upcoming upcoming(((rows - 1) / kRows + 1) * ((cols - 1) / kCols + 1) *
                            ((steps - 1) / kTogether + 1));
          const auto fetch_a = [&](int64_t i, int64_t from) {
            if (copy_a)
              upcoming.add(p.a, i, std::min(kHigh, p.m - i), from, std::min(kDepth, p.k - from));
          };
          const auto fetch_b = [&](int64_t j, int64_t from) {
            if (copy_b)
              upcoming.add({p.b.data, p.b.col, p.b.row}, j, std::min(kWide, p.n - j), from,
                           std::min(kDepth, p.k - from));
          };
          if (i0 + kHigh < p.m) {
            fetch_a(i0 + kHigh, k);
          } else if (j0 + kWide < p.n) {
            fetch_b(j0 + kWide, k);
          } else if (k + kDepth < p.k) {
            fetch_b(0, k + kDepth);
            fetch_a(0, k + kDepth);
          }
          for (int64_t j = 0; j < cols; j += kCols) {
            const float* panel = copy_b ? b_panels + j / kCols * kPanelStride : b + j;
            const int64_t b_stride = copy_b ? kCols : p.b.row;
            for (int64_t i = 0; i < rows; i += kRows) {
              const int64_t m = std::min<int64_t>(kRows, rows - i), n = std::min(kCols, cols - j);
              float* c = p.c + (i0 + i) * p.c_stride + j0 + j;
              const bool add = p.add || k > 0;
              if (side) {
                const float* from = copy_a ? a_block + i / kSide * kSideStride + i % kSide : a + i;
                tile<Step, true>(m, n, steps, from, copy_a ? kSide : p.a.col, panel, b_stride, c,
                                 p.c_stride, add, upcoming);
              } else {
                const float* from = copy_a ? a_block + i * kRowStride : a + i * p.a.row;
                tile<Step, false>(m, n, steps, from, copy_a ? kRowStride : p.a.row, panel, b_stride,
                                  c, p.c_stride, add, upcoming);
              }
            }
          }
        }
      }
    }
  }

 private:
  // n lanes that lie side by side: lane j to panel j / kWidth, [steps][kWidth], `panel` apart;
  // kUnit of them in a register.
  template <class Step, int64_t kWidth, int64_t kUnit>
  static void copy_lanes(const float* from, int64_t stride, int64_t depth, int64_t n, int64_t panel,
                         float* to) {
    constexpr int64_t kAhead = 8;  // rows
    const auto all = V::first(kUnit), last = V::first(static_cast<int>((n - 1) % kUnit + 1));
    for (int64_t k = 0; k < depth; k += Step::kElements, from += Step::kElements * stride) {
      float* at = to + k / Step::kElements * kWidth;
      for (int64_t j = 0; j < n; j += kUnit) {
        const auto m = j + kUnit <= n ? all : last;
        unroll<Step::kElements>(
            [&](auto e) R1_INLINE { __builtin_prefetch(from + j + (kAhead + e) * stride); });
        V::store(at + j / kWidth * panel + j % kWidth, m,
                 Step::lanes(from + j, stride, depth - k, m));
      }
    }
  }

  template <class Step>
  static void copy_rows(const GemmOperand& a, const float* from, int64_t rows, int64_t depth,
                        float* to) {
    if (a.col != 1)
      return copy_lanes<Step, kSide, kSide>(from, a.col, depth, rows, kSideStride, to);
    for (int64_t i = 0; i < rows; ++i) Step::row(from + i * a.row, depth, to + i * kRowStride);
  }

  template <class Step>
  static void copy_panels(const GemmOperand& b, const float* from, int64_t depth, int64_t cols,
                          float* to) {
    if (b.col == 1)
      return copy_lanes<Step, kCols, kLanes>(from, b.row, depth, cols, kPanelStride, to);
    constexpr int64_t kTurned = 16;  // columns at a time, so that lines are written whole
    float lanes[kTurned][kRowStride];
    for (int64_t j0 = 0; j0 < cols; j0 += kTurned) {
      const int64_t n = std::min(kTurned, cols - j0);
      for (int64_t j = 0; j < n; ++j) Step::row(from + (j0 + j) * b.col, depth, lanes[j]);
      float* at = to + j0 / kCols * kPanelStride + j0 % kCols;
      for (int64_t s = 0; s * Step::kElements < depth; ++s) {
        for (int64_t j = 0; j < n; ++j) at[s * kCols + j] = lanes[j][s];
      }
    }
  }
};

}  // namespace r1
