// Block weights times int8 activations: the loop that every type and instruction set shares. `Set`
// supplies rows per register, the unpacking of a chunk (32 elements of kRows rows) and its integer
// dot products (blocks_avx2.cpp ...). A chunk is unpacked once, in registers, for up to 64 tokens;
// kGroups row groups by kTile tokens are multiplied together, so that they share every load of
// activations and many chains hide their latency. Integer sums are exact; in F32 remain one or two
// FMAs a block, in the order of K, whatever the number of tokens: law 1 (see matmul.h).
#pragma once

#include "kernels/matmul/matmul.h"
#include "kernels/matmul/planes.h"
#include "kernels/matmul/tiles.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

template <class Set>
struct Int8Product {
  static constexpr DType type = Set::kType;
  static constexpr Format f = Set::f;
  static constexpr int kRows = Set::kRows;
  static constexpr int kTokens = 64;       // tokens that share the unpacking of a chunk
  static constexpr int kStreamed = 16;     // tokens to which weights are still read from memory
  static constexpr int64_t kAhead = 4096;  // bytes that codes are prefetched before use
  static constexpr int kChunks = f.block / 32;
  static constexpr int kSubsInChunk = 32 / f.sub;
  using Packed = Planes<type, kRows, Set::kIsa>;
  static constexpr int kShare = Packed::kBlockBytes / kChunks;  // of a block, prefetched at a time
  using X = typename Set::X;
  using Int = typename Set::Int;
  using Float = typename Set::Float;

  // What a block adds to the rows' sums once its integers are summed.
  struct Block {
    R1_INLINE void load(const uint8_t* scales) {
      d = Set::load_halves(scales);
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

  // body(i, j) for i in [0, N), j in [0, G).
  template <int N, int G, class Body>
  R1_INLINE static void unroll2(Body body) {
    unroll<N>([&](auto i) R1_INLINE { unroll<G>([&](auto j) R1_INLINE { body(i, j); }); });
  }

  // dots [N][G] += the products of a chunk of G row groups with N tokens, `stride` bytes apart.
  // `w`: step s has the elements 4 s ... 4 s + 3 of every row. `starts`: of the first token's
  // chains.
  template <int part, int N, int G>
  R1_INLINE static void add_products(const Int (&w)[G][8], const Int (&scale)[G][kSubsInChunk],
                                     const std::byte* a, const std::byte* starts, size_t stride,
                                     Int (&dots)[N][G]) {
    constexpr int kSteps = Set::kSteps;
    unroll<8 / kSteps>([&](auto c) R1_INLINE {
      constexpr int kSub = 4 * kSteps * c / f.sub;
      Int chain[N][G];
      unroll<N>([&](auto t) R1_INLINE {
        const Int start = Set::template start<part>(starts + stride * t + 4 * kSub);
        unroll<G>([&](auto g) R1_INLINE { chain[t][g] = start; });
      });
      unroll<kSteps>([&](auto i) R1_INLINE {
        constexpr int s = kSteps * c + i;
        unroll<N>([&](auto t) R1_INLINE {
          const Int four = Set::broadcast(a + stride * t + 4 * s);
          unroll<G>([&](auto g)
                        R1_INLINE { chain[t][g] = Set::add_product(chain[t][g], w[g][s], four); });
        });
      });
      unroll2<N, G>([&](auto t, auto g) R1_INLINE {
        dots[t][g] = Set::add_chain(dots[t][g], chain[t][g], scale[g][kSub]);
      });
    });
  }

  // y [n][G] of G row groups, all rows of one in a register; n == kN where that is not 0.
  template <int G, int kN>
  static void tile(const uint8_t* weights, int64_t cols, const std::byte* x, int n, Float* y) {
    constexpr int kMost = kN > 0 ? kN : kTokens;
    constexpr int kTile = kN > 0 && kN < Set::kTile ? kN : Set::kTile;
    // body(t, size): tokens t ... t + size - 1.
    const auto each = [&](auto body) R1_INLINE {
      constexpr std::integral_constant<int, kTile> kSize;
      if constexpr (kN > 0) {
        return unroll<kN / kTile>(
            [&](auto i) R1_INLINE { body(std::integral_constant<int, kTile * i>{}, kSize); });
      }
      int t = 0;
      for (; t + kTile <= n; t += kTile) body(t, kSize);
      for (; t < n; ++t) body(t, std::integral_constant<int, 1>{});
    };
    const size_t stride = X::bytes(cols), group = Packed::bytes(cols);
    const int64_t x_scales = X::scales_at(cols), x_sums = X::sums_at(cols);
    // Prefetching goes on with the next G groups.
    const auto end = static_cast<int64_t>(group), next = end * (G - 1);
    const int64_t ahead = kAhead < end ? kAhead : end;
    const uint8_t* const last = weights + end - ahead;
    Float sum[kMost][G];
    Int dots[kMost][G];
    each([&](auto t, auto size) R1_INLINE {
      unroll2<size, G>([&](auto i, auto g) R1_INLINE { sum[t + i][g] = Set::zero_float(); });
    });
    for (int64_t b = 0; b < cols / f.block; ++b, weights += Packed::kBlockBytes) {
      const uint8_t* scales = weights + Packed::kScalesAt;
      const int64_t to = weights < last ? ahead : ahead + next;
      Block block[G];
      const auto load_block = [&]() R1_INLINE {
        unroll<G>([&](auto g) R1_INLINE { block[g].load(scales + group * g); });
      };
      const auto finish = [&](auto t, auto i, auto g, Int dot) R1_INLINE {
        const std::byte* token = x + stride * static_cast<size_t>(t + i);
        sum[t + i][g] = block[g].add(sum[t + i][g], dot, token + x_scales + 4 * b,
                                     token + x_sums + X::kSumBytes * Packed::kSubs * b);
      };
      if constexpr (f.block == 32) load_block();
      if constexpr (f.block == 256) {
        each([&](auto t, auto size) R1_INLINE {
          unroll2<size, G>([&](auto i, auto g) R1_INLINE { dots[t + i][g] = Set::zero(); });
        });
      }
      for (int c = 0; c < kChunks; ++c) {
        const uint8_t* chunk = weights + Packed::kChunkBytes * c;
        unroll<G>([&](auto g)
                      R1_INLINE { prefetch<kShare>(weights + kShare * c + group * g + to); });
        unroll<Set::kParts>([&](auto part) R1_INLINE {
          constexpr bool kFirst = f.block == 32 && part == 0;
          constexpr bool kLast = f.block == 32 && part == Set::kParts - 1;
          Int w[G][8], scale[G][kSubsInChunk];
          unroll<G>([&](auto g) R1_INLINE {
            Set::template unpack<part>(chunk + group * g, w[g]);
            Set::template load_scales<part, Packed::kNibbles>(
                scales + group * g + Packed::kScaleAt + kSubsInChunk * kRows * c, scale[g]);
          });
          each([&](auto t, auto size) R1_INLINE {
            const std::byte* token = x + stride * static_cast<size_t>(t);
            Int dot[size][G];
            unroll2<size, G>([&](auto i, auto g)
                                 R1_INLINE { dot[i][g] = kFirst ? Set::zero() : dots[t + i][g]; });
            const int64_t at = b * kChunks + c;
            add_products<part>(w, scale, token + 32 * at, token + x_sums + 4 * kSubsInChunk * at,
                               stride, dot);
            unroll2<size, G>([&](auto i, auto g) R1_INLINE {
              if constexpr (kLast) {
                finish(t, i, g, dot[i][g]);
              } else {
                dots[t + i][g] = dot[i][g];
              }
            });
          });
        });
      }
      if constexpr (f.block == 256) {
        load_block();
        each([&](auto t, auto size) R1_INLINE {
          unroll2<size, G>([&](auto i, auto g) R1_INLINE { finish(t, i, g, dots[t + i][g]); });
        });
      }
    }
    each([&](auto t, auto size) R1_INLINE {
      unroll2<size, G>([&](auto i, auto g) R1_INLINE { y[(t + i) * G + g] = sum[t + i][g]; });
    });
  }

  // Row groups g, g + 1, ... g + G - 1, of which n_rows rows are valid, for n <= kTokens tokens.
  template <int G, int kN>
  static void multiply_groups(const std::byte* packed, int64_t g, int64_t n_rows, int64_t cols,
                              const std::byte* x, int n, float* y, int64_t y_stride) {
    const std::byte* group = packed + Packed::bytes(cols) * static_cast<size_t>(g);
    Float sums[kTokens * G];
    tile<G, kN>(reinterpret_cast<const uint8_t*>(group), cols, x, n, sums);
    y += g * kRows;
    for (int t = 0; t < n; ++t, y += y_stride)
      store_rows<G * kRows>(y, &sums[t * G], n_rows - g * kRows);
  }

  static void multiply(const std::byte* packed, int64_t n_groups, int64_t n_rows, int64_t cols,
                       const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride) {
    for_tiles<Set::kGroups>(n_groups, Packed::bytes(cols), n_tokens, kTokens,
                            [&](int64_t g, int64_t n_g, int64_t t, int64_t n) {
                              const int64_t end = g + n_g;
                              const auto groups_of = [&](auto size, auto tokens) {
                                for (; g + size <= end; g += size) {
                                  multiply_groups<size, tokens>(
                                      packed, g, n_rows, cols,
                                      prepared + X::bytes(cols) * static_cast<size_t>(t),
                                      static_cast<int>(n), y + t * y_stride, y_stride);
                                }
                              };
                              // Weights for few tokens come from memory, whose prefetchers follow
                              // one row group better than two; very few have all sums in registers.
                              using One = std::integral_constant<int, 1>;
                              unroll<5>([&](auto i) {
                                using Tokens = std::integral_constant<int, (i < 4 ? i + 1 : 8)>;
                                if (n == Tokens::value) groups_of(One{}, Tokens{});
                              });
                              using Any = std::integral_constant<int, 0>;
                              if (n > kStreamed)
                                groups_of(std::integral_constant<int, Set::kGroups>{}, Any{});
                              groups_of(One{}, Any{});
                            });
  }

  static constexpr MatmulKernel kernel(std::string_view name) {
    return {name,          type,         Compute::kFast, Set::kIsa,  kRows,
            Packed::bytes, Packed::pack, X::bytes,       X::prepare, multiply};
  }
};

}  // namespace r1
