// Products in F32: kFast of the float types, and kF32 of every type on its exact values; the loop
// that all instruction sets share (float_avx2.cpp ...). Rows are interleaved, or decoded tile by
// tile, as [k][kRows]; a few row groups times a few tokens are summed in registers. Every element
// is one chain of FMAs from zero in the order of K: law 1. `V`: a register of kRows floats.
// `Steps`: how weights and activations are read and multiplied, step by step of K.
#pragma once

#include <cstring>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/tiles.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

// Weights and activations in F32, an element a step.
template <class V>
struct F32Steps {
  static constexpr int kElements = 1;
  static constexpr int kWeightBytes = 4;  // of one row in a step
  static constexpr int kActivationBytes = 4;

  R1_INLINE static auto load(const std::byte* at) {
    return V::load(reinterpret_cast<const float*>(at));
  }
  template <class W>
  R1_INLINE static auto add_product(typename V::Float sum, W w, const std::byte* x) {
    return V::fma(w, V::broadcast(reinterpret_cast<const float*>(x)), sum);
  }
  static void prepare(const float* x, int64_t cols, std::byte* prepared) {
    std::memcpy(prepared, x, static_cast<size_t>(cols) * 4);
  }
};

template <class V>
struct F16Steps : F32Steps<V> {
  static constexpr int kWeightBytes = 2;
  R1_INLINE static auto load(const std::byte* at) { return V::load_f16(at); }
};

template <class V>
struct BF16Steps : F32Steps<V> {
  static constexpr int kWeightBytes = 2;
  R1_INLINE static auto load(const std::byte* at) { return V::load_bf16(at); }
};

// Float types: interleaved by steps, [steps][kRows][kElements].
template <class V, class S, DType type>
struct Interleaved {
  using Steps = S;
  static constexpr DType kType = type;
  static constexpr size_t kRows = V::kRows;
  static constexpr int kTile = V::kTile;
  static constexpr bool kDecoded = false;

  static size_t bytes(int64_t cols) {
    const auto n_steps = static_cast<size_t>((cols + Steps::kElements - 1) / Steps::kElements);
    return (n_steps * kRows * Steps::kWeightBytes + 63) / 64 * 64;
  }

  static void pack(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed) {
    constexpr size_t kSize = Steps::kWeightBytes / Steps::kElements;
    const auto n = static_cast<size_t>(cols);
    std::memset(packed, 0, bytes(cols));
    for (size_t k = 0; k < n; ++k) {
      std::byte* step = packed + k / Steps::kElements * kRows * Steps::kWeightBytes +
                        k % Steps::kElements * kSize;
      for (size_t r = 0; r < static_cast<size_t>(n_rows); ++r) {
        std::memcpy(step + r * Steps::kWeightBytes, rows + (r * n + k) * kSize, kSize);
      }
    }
  }

  static const std::byte* tile(const std::byte* packed, int64_t /*cols*/, int64_t k, int64_t /*n*/,
                               float* /*scratch*/) {
    return packed + k / Steps::kElements * V::kRows * Steps::kWeightBytes;
  }
};

// Blocks: rows as stored, one after the other; decoded to `scratch`.
template <class V, DType type>
struct Stored {
  using Steps = F32Steps<V>;
  static constexpr DType kType = type;
  static constexpr int kTile = V::kTile;
  static constexpr bool kDecoded = true;

  static size_t row_bytes(int64_t cols) {
    return static_cast<size_t>(cols / info(type).block * info(type).block_bytes);
  }
  static size_t bytes(int64_t cols) { return (row_bytes(cols) * V::kRows + 63) / 64 * 64; }

  static void pack(const std::byte* rows, int n_rows, int64_t cols, std::byte* packed) {
    std::memset(packed, 0, bytes(cols));
    std::memcpy(packed, rows, row_bytes(cols) * static_cast<size_t>(n_rows));
  }

  static const std::byte* tile(const std::byte* packed, int64_t cols, int64_t k, int64_t n,
                               float* scratch) {
    for (int r = 0; r < V::kRows; ++r) {
      float row[V::kTile];
      const std::byte* from = packed + row_bytes(cols) * static_cast<size_t>(r) + row_bytes(k);
      info(type).decode(from, row, static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) scratch[V::kRows * i + r] = row[i];
    }
    return reinterpret_cast<const std::byte*>(scratch);
  }
};

// The sums in registers: of G row groups and N tokens at a time.
template <class V, class Steps>
struct FloatSums {
  using Float = typename V::Float;
  static constexpr int kRows = V::kRows;
  static constexpr int64_t kStepBytes = kRows * Steps::kWeightBytes;

  // Tiles [G][n_steps][kRows] of row groups that have `left` steps from here on; the next G groups
  // begin `beyond` bytes after the end of theirs.
  struct Tiles {
    const std::byte* const* at;
    int64_t n_steps, left, beyond;
  };

  // What is prefetched meanwhile: at step s the line `from` + `step` s bytes after the tile's
  // begin, and from step `end` on behind the other groups.
  struct Ahead {
    int64_t from, step, end;
  };

  // y[t * y_stride + r], r < G kRows, = tiles x tokens, `stride` bytes apart, or +=.
  template <int G, int N>
  static void add_some(const Tiles& tiles, const Ahead& ahead, const std::byte* x, int64_t stride,
                       bool add, float* y, int64_t y_stride) {
    Float sum[N][G];
    unroll<N>([&](auto t) R1_INLINE {
      unroll<G>([&](auto g) R1_INLINE {
        float* at = y + t * y_stride + g * kRows;
        __builtin_prefetch(at, 1);
        sum[t][g] = add ? V::load(at) : V::zero();
      });
    });
    for (int64_t s = 0; s < tiles.n_steps; ++s, x += Steps::kActivationBytes) {
      const int64_t to = ahead.from + ahead.step * s + (s < ahead.end ? 0 : tiles.beyond);
      decltype(Steps::load(x)) w[G];
      unroll<G>([&](auto g) R1_INLINE {
        __builtin_prefetch(tiles.at[g] + to);
        w[g] = Steps::load(tiles.at[g] + kStepBytes * s);
      });
      unroll<N>([&](auto t) R1_INLINE {
        unroll<G>([&](auto g) R1_INLINE {
          sum[t][g] = Steps::add_product(sum[t][g], w[g], x + stride * t);
        });
      });
    }
    unroll<N>([&](auto t) R1_INLINE {
      unroll<G>([&](auto g) R1_INLINE { V::store(y + t * y_stride + g * kRows, sum[t][g]); });
    });
  }

  // The same for any number of tokens. Where they take several passes, each prefetches its share of
  // the next tile.
  template <int G>
  static void add(const Tiles& tiles, const std::byte* x, int64_t stride, int n_tokens, bool add,
                  float* y, int64_t y_stride) {
    constexpr int kMost = G > 2 ? V::kFew : V::kColumn;
    constexpr int64_t kAhead = G == 1 ? 4096 : 2048;
    const int64_t tile = kStepBytes * tiles.n_steps, passes = (n_tokens + kMost - 1) / kMost;
    Ahead ahead{kAhead, kStepBytes, tiles.left - kAhead / kStepBytes};
    if (passes > 1) ahead = {tile, kStepBytes / passes, tiles.left - tiles.n_steps};
    for (int t = 0; t < n_tokens; t += kMost) {
      const int n = n_tokens - t < kMost ? n_tokens - t : kMost;
      unroll<kMost>([&](auto i) {
        if (n == i + 1)
          add_some<G, i + 1>(tiles, ahead, x + stride * t, stride, add, y + t * y_stride, y_stride);
      });
      if (passes > 1) ahead.from += tile / passes;
    }
  }
};

template <class V, class Weights>
struct FloatProduct {
  using Steps = typename Weights::Steps;
  static constexpr int kRows = V::kRows;
  static constexpr int kTile = Weights::kTile;    // elements of K that tokens go through together
  static constexpr int kTokens = 8 * V::kColumn;  // tokens that share a decoded tile

  // An odd number of cache lines, so that tokens spread over all sets.
  static size_t activation_bytes(int64_t cols) {
    const int64_t n_steps = (cols + Steps::kElements - 1) / Steps::kElements;
    return static_cast<size_t>((n_steps * Steps::kActivationBytes + 63) / 64 | 1) * 64;
  }

  // Rows [0, n_rows) of G row groups for n <= kTokens tokens.
  template <int G>
  static void multiply_groups(const std::byte* packed, int64_t n_rows, int64_t cols,
                              const std::byte* x, int n, float* y, int64_t y_stride) {
    const auto stride = static_cast<int64_t>(activation_bytes(cols));
    alignas(64) float sums[kTokens * G * kRows];  // where the last group is not whole
    const bool whole = n_rows == G * kRows;
    float* const to = whole ? y : sums;
    const int64_t to_stride = whole ? y_stride : G * kRows;
    alignas(64) float scratch[G][kTile * kRows];
    for (int64_t k = 0; k < cols;
         k += kTile, x += kTile / Steps::kElements * Steps::kActivationBytes) {
      const int64_t width = cols - k < kTile ? cols - k : kTile;
      const int64_t n_steps = (width + Steps::kElements - 1) / Steps::kElements;
      const std::byte* tiles[G];
      for (size_t g = 0; g < G; ++g) {
        tiles[g] = Weights::tile(packed + Weights::bytes(cols) * g, cols, k, width, scratch[g]);
      }
      using Sums = FloatSums<V, Steps>;
      const auto group = static_cast<int64_t>(Weights::bytes(cols));
      const int64_t left = group / Sums::kStepBytes - k / Steps::kElements;
      Sums::template add<G>({tiles, n_steps, left, group * (G - 1)}, x, stride, n, k > 0, to,
                            to_stride);
    }
    for (int t = 0; t < n && !whole; ++t) {
      std::memcpy(y + t * y_stride, sums + kRows * G * t, static_cast<size_t>(n_rows) * 4);
    }
  }

  static void multiply(const std::byte* packed, int64_t n_groups, int64_t n_rows, int64_t cols,
                       const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride) {
    for_tiles<2>(n_groups, Weights::bytes(cols), n_tokens, kTokens,
                 [&](int64_t g, int64_t n_g, int64_t t, int64_t n) {
                   const int64_t end = g + n_g;
                   const auto groups_of = [&](auto size) {
                     constexpr int G = size;
                     for (; g + G <= end; g += G) {
                       const int64_t rows = n_rows - g * kRows;
                       multiply_groups<G>(
                           packed + Weights::bytes(cols) * static_cast<size_t>(g),
                           rows < G * kRows ? rows : G * kRows, cols,
                           prepared + activation_bytes(cols) * static_cast<size_t>(t),
                           static_cast<int>(n), y + t * y_stride + g * kRows, y_stride);
                     }
                   };
                   // Weights for few tokens are best read as one stream; where a step is less than
                   // a cache line, more rows have to hide the latency of the sums.
                   constexpr bool kStream = !Weights::kDecoded && kRows * Steps::kWeightBytes == 64;
                   if (n <= V::kFew) groups_of(std::integral_constant < int, kStream ? 1 : 4 > {});
                   groups_of(std::integral_constant<int, 2>{});
                   groups_of(std::integral_constant<int, 1>{});
                 });
  }

  static constexpr MatmulKernel kernel(Compute compute, std::string_view name) {
    return {name,           Weights::kType, compute,          V::kIsa,        kRows,
            Weights::bytes, Weights::pack,  activation_bytes, Steps::prepare, multiply};
  }
};

template <class V, class Steps, DType type>
constexpr MatmulKernel interleaved_kernel(Compute compute, std::string_view name) {
  return FloatProduct<V, Interleaved<V, Steps, type>>::kernel(compute, name);
}

template <class V, DType type>
constexpr MatmulKernel stored_kernel(std::string_view name) {
  return FloatProduct<V, Stored<V, type>>::kernel(Compute::kF32, name);
}

}  // namespace r1
