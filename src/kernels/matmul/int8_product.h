// Block weights times int8 activations: the loop that every type and instruction set shares. `Set`
// supplies rows per register, the unpacking of a chunk (32 elements of kRows rows) and its integer
// dot products (blocks_avx2.cpp ...). A chunk is unpacked once, in registers, for up to 32 tokens.
// Integer sums are exact; in F32 remain one or two FMAs a block, in the order of K, whatever the
// number of tokens: law 1 (see matmul.h).
#pragma once

#include <cstring>

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/planes.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

template <class Set>
struct Int8Product {
  static constexpr DType type = Set::kType;
  static constexpr Format f = Set::f;
  static constexpr int kRows = Set::kRows;
  static constexpr int kTokens = 32;  // tokens that share the unpacking of a chunk
  static constexpr int kAhead =
      12288;  // bytes that weights are prefetched before use: into the next rows
  static constexpr int kChunks = f.block / 32;
  static constexpr int kSubsInChunk = 32 / f.sub;
  using Packed = Planes<type, kRows>;
  using X = typename Set::X;
  using Int = typename Set::Int;
  using Float = typename Set::Float;

  // What a block adds to the rows' sums once its integers are summed.
  struct Block {
    R1_INLINE explicit Block(const uint8_t* scales) : d(Set::load_halves(scales)) {
      if constexpr (!f.min) return;
      m = Set::load_halves(scales + 2 * kRows);
      if constexpr (f.block == 32) return;
      unroll<Packed::kSubs / 2>([&](auto p) R1_INLINE {
        constexpr int kFrom = Packed::kNibbles ? Packed::kScaleAt : Packed::kMinAt;
        const uint8_t* at = scales + kFrom + 2 * kRows * p;
        mins[p] = Set::template load_pairs<Packed::kNibbles>(at, at + kRows);
      });
    }

    // `xd`, `sums`: the token's scale and its sums of this block.
    R1_INLINE Float add(Float y, Int dots, const std::byte* xd, const std::byte* sums) const {
      const Float scale = Set::broadcast_float(xd);
      y = Set::fma(Set::to_float(dots), Set::mul(d, scale), y);
      if constexpr (!f.min) return y;
      if constexpr (f.block == 32) return Set::fma(m, Set::broadcast_float(sums), y);
      Int less = Set::zero();
      unroll<Packed::kSubs / 2>([&](auto p) R1_INLINE {
        less = Set::add_pair_products(less, mins[p], Set::broadcast(sums + 4 * p));
      });
      return Set::negated_fma(Set::to_float(less), Set::mul(m, scale), y);
    }

    Float d, m;
    Int mins[8];  // of two sub-blocks: 16-bit pairs of all rows
  };

  template <int n_bytes>
  R1_INLINE static void prefetch(const uint8_t* from) {
    unroll<(n_bytes + 63) / 64>([&](auto line) R1_INLINE { __builtin_prefetch(from + 64 * line); });
  }

  // y [n] of one row group, all rows in a register; n == kN where that is not 0.
  template <int kN>
  static void tile(const uint8_t* chunk, int64_t cols, const std::byte* x, int n, Float* y) {
    const auto each = [&](auto body) R1_INLINE {
      if constexpr (kN > 0) return unroll<kN>(body);
      for (int t = 0; t < n; ++t) body(t);
    };
    constexpr int kMost = kN > 0 ? kN : kTokens;
    const size_t stride = X::bytes(cols);
    const int64_t x_scales = X::scales_at(cols), x_sums = X::sums_at(cols);
    const uint8_t* scales = chunk + Packed::scales_at(cols);
    Float sum[kMost];
    each([&](auto t) R1_INLINE { sum[t] = Set::zero_float(); });
    for (int64_t b = 0; b < cols / f.block; ++b, scales += Packed::kBlockBytes) {
      Int dots[kMost];
      if constexpr (f.block == 256) each([&](auto t) R1_INLINE { dots[t] = Set::zero(); });
      prefetch<Packed::kBlockBytes>(scales + kAhead);
      const Block block(scales);
      const auto finish = [&](auto t, Int dot) R1_INLINE {
        const std::byte* token = x + stride * static_cast<size_t>(t);
        sum[t] = block.add(sum[t], dot, token + x_scales + 4 * b,
                           token + x_sums + X::kSumBytes * Packed::kSubs * b);
      };
      for (int64_t c = b * kChunks; c < (b + 1) * kChunks; ++c, chunk += Packed::kChunkBytes) {
        prefetch<Packed::kChunkBytes>(chunk + kAhead);
        unroll<Set::kParts>([&](auto part) R1_INLINE {
          Int w[8];  // step s: elements 4 s ... 4 s + 3 of every row
          Int scale[kSubsInChunk];
          Set::template unpack<part>(chunk, w);
          Set::template load_scales<part, Packed::kNibbles>(
              scales + Packed::kScaleAt + kSubsInChunk * kRows * (c % kChunks), scale);
          each([&](auto t) R1_INLINE {
            const std::byte* token = x + stride * static_cast<size_t>(t);
            const auto* a = reinterpret_cast<const int8_t*>(token) + 32 * c;
            const std::byte* starts = token + x_sums + 4 * kSubsInChunk * c;
            constexpr bool kFirst = f.block == 32 && part == 0;
            constexpr bool kLast = f.block == 32 && part == Set::kParts - 1;
            const Int before = kFirst ? Set::zero() : dots[t];
            const Int dot = Set::template add_dot<part>(before, w, a, starts, scale);
            if constexpr (kLast) {
              finish(t, dot);
            } else {
              dots[t] = dot;
            }
          });
        });
      }
      if constexpr (f.block == 256) each([&](auto t) R1_INLINE { finish(t, dots[t]); });
    }
    each([&](auto t) R1_INLINE { y[t] = sum[t]; });
  }

  static void multiply(const std::byte* packed, int64_t n_groups, int64_t n_rows, int64_t cols,
                       const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride) {
    for (int64_t t0 = 0; t0 < n_tokens; t0 += kTokens) {
      const int n = static_cast<int>(n_tokens - t0 < kTokens ? n_tokens - t0 : kTokens);
      const std::byte* x = prepared + X::bytes(cols) * static_cast<size_t>(t0);
      for (int64_t g = 0; g < n_groups; ++g) {
        const auto* group =
            reinterpret_cast<const uint8_t*>(packed) + Packed::bytes(cols) * static_cast<size_t>(g);
        Float sums[kTokens];
        switch (n) {
          case 1:
            tile<1>(group, cols, x, n, sums);
            break;
          case 2:
            tile<2>(group, cols, x, n, sums);
            break;
          case 4:
            tile<4>(group, cols, x, n, sums);
            break;
          default:
            tile<0>(group, cols, x, n, sums);
        }
        const int64_t rows = n_rows - g * kRows < kRows ? n_rows - g * kRows : kRows;
        for (int t = 0; t < n; ++t) {
          std::memcpy(y + (t0 + t) * y_stride + g * kRows, &sums[t], static_cast<size_t>(rows) * 4);
        }
      }
    }
  }

  static constexpr MatmulKernel kernel(std::string_view name) {
    return {name,          type,         Compute::kFast, Set::kIsa,  kRows,
            Packed::bytes, Packed::pack, X::bytes,       X::prepare, multiply};
  }
};

}  // namespace r1
