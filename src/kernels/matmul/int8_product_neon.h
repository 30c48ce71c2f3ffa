// Block weights times int8 activations with NEON: 8 rows by 4 elements in two registers, packed as
// everywhere (planes.h), unpacked to signed codes once for up to 32 tokens. One token at a time
// they meet sdot, four of its elements in a lane; with i8mm two at a time smmla: two rows of 8
// elements by two tokens. Integer sums are exact; in F32 remain one or two FMAs a block, in the
// order of K, whatever the number of tokens: law 1, and the same bits with i8mm as without.
#pragma once

#include <arm_neon.h>

#include <array>

#include "kernels/matmul/activations_neon.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/planes.h"
#include "kernels/matmul/tiles.h"
#include "kernels/matmul/unroll.h"

namespace r1 {

// `Set`: kIsa, and, where kPairs, dot_pair: how the set multiplies two tokens.
template <class Set, DType type>
struct Int8ProductNeon {
  static constexpr Format f = format_of(type);
  static constexpr int kRows = 8;
  static constexpr int kTokens = 32;    // tokens that share the unpacking of a chunk
  static constexpr int kAhead = 12288;  // bytes that weights are prefetched before use
  static constexpr int kChunks = f.block / 32;
  static constexpr int kSubsInChunk = 32 / f.sub;
  static constexpr int kSteps = f.sub / 4;  // of a sub-block
  using Packed = Planes<type, kRows, Set::kIsa>;
  using X = Activations<type, Set::kIsa>;

  struct Ints {  // of rows 0-3, 4-7
    int32x4_t of[2];
  };
  struct Floats {
    float32x4_t of[2];
  };

  // The bits [bits j, bits j + bits) of every byte, moved to bit `at`.
  template <int bits, int j, int at>
  R1_INLINE static uint8x16_t field(uint8x16_t plane) {
    if constexpr (bits * j > at) plane = vshrq_n_u8(plane, bits * j - at);
    if constexpr (bits * j < at) plane = vshlq_n_u8(plane, at - bits * j);
    return vandq_u8(plane, vdupq_n_u8(((1 << bits) - 1) << at));
  }

  // The values of a chunk's codes: w[half][s] has elements 4 s ... 4 s + 3 of rows 4 half ... + 3.
  R1_INLINE static void unpack(const uint8_t* chunk, int8x16_t (&w)[2][8]) {
    unroll<2>([&](auto half) R1_INLINE {
      uint8x16_t code[8];
      unroll<f.low>([&](auto v) R1_INLINE {
        const uint8x16_t plane = vld1q_u8(chunk + 4 * kRows * v + 16 * half);
        unroll<8 / f.low>([&](auto j)
                              R1_INLINE { code[v + f.low * j] = field<f.low, j, 0>(plane); });
      });
      unroll<f.high>([&](auto v) R1_INLINE {
        const uint8x16_t plane = vld1q_u8(chunk + 4 * kRows * (f.low + v) + 16 * half);
        unroll<8 / f.high>([&](auto j) R1_INLINE {
          code[v + f.high * j] = vorrq_u8(code[v + f.high * j], field<f.high, j, f.low>(plane));
        });
      });
      unroll<8>([&](auto s) R1_INLINE {
        if constexpr (has_table(type)) {
          w[half][s] = vqtbl1q_s8(vld1q_s8(kTable.data()), code[s]);
        } else {
          w[half][s] = vreinterpretq_s8_u8(vsubq_u8(code[s], vdupq_n_u8(f.offset)));
        }
      });
    });
  }

  static constexpr std::array<int8_t, 16> make_table() {
    std::array<int8_t, 16> table{};
    for (int i = 0; has_table(type) && i < 16; ++i) {
      table[static_cast<size_t>(i)] = static_cast<int8_t>(table_code(type, i) - f.offset);
    }
    return table;
  }
  static constexpr std::array<int8_t, 16> kTable = make_table();

  // The integer scales of a chunk's sub-blocks.
  R1_INLINE static void load_scales(const uint8_t* scales, Ints (&scale)[kSubsInChunk]) {
    unroll<kSubsInChunk>([&](auto s) R1_INLINE {
      uint8x8_t bytes = vld1_u8(scales + kRows * s);
      if constexpr (Packed::kNibbles) bytes = vand_u8(bytes, vdup_n_u8(15));
      const int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(bytes));
      scale[s] = {{vmovl_s16(vget_low_s16(wide)), vmovl_high_s16(wide)}};
    });
  }

  // The sums of one token's products with sub-block `sub` of a chunk.
  template <int sub>
  R1_INLINE static Ints dot(const int8x16_t (&w)[2][8], const int8x16_t (&a)[2]) {
    Ints sum = {};
    unroll<kSteps>([&](auto i) R1_INLINE {
      constexpr int s = kSteps * sub + i;
      unroll<2>([&](auto half) R1_INLINE {
        sum.of[half] = vdotq_laneq_s32(sum.of[half], w[half][s], a[s / 4], s % 4);
      });
    });
    return sum;
  }

  // What a block adds to the rows' sums once its integers are summed.
  struct Block {
    R1_INLINE explicit Block(const uint8_t* scales) : d(load_halves(scales)) {
      if constexpr (!f.min) return;
      m = load_halves(scales + 2 * kRows);
      if constexpr (f.block == 32) return;
      unroll<Packed::kSubs>([&](auto s) R1_INLINE {
        constexpr int kFrom = Packed::kNibbles ? Packed::kScaleAt : Packed::kMinAt;
        uint8x8_t bytes = vld1_u8(scales + kFrom + kRows * s);
        if constexpr (Packed::kNibbles) bytes = vshr_n_u8(bytes, 4);
        mins[s] = vreinterpretq_s16_u16(vmovl_u8(bytes));
      });
    }

    // `xd`, `sums`: the token's scale and its sums of this block.
    R1_INLINE void add(Floats& y, const Ints& dots, const std::byte* xd,
                       const std::byte* sums) const {
      const float32x4_t scale = vld1q_dup_f32(reinterpret_cast<const float*>(xd));
      unroll<2>([&](auto half) R1_INLINE {
        y.of[half] =
            vfmaq_f32(y.of[half], vcvtq_f32_s32(dots.of[half]), vmulq_f32(d.of[half], scale));
      });
      if constexpr (!f.min) return;
      if constexpr (f.block == 32) {
        const float32x4_t sum = vld1q_dup_f32(reinterpret_cast<const float*>(sums));
        unroll<2>([&](auto half)
                      R1_INLINE { y.of[half] = vfmaq_f32(y.of[half], m.of[half], sum); });
        return;
      }
      Ints less = {};
      unroll<Packed::kSubs>([&](auto s) R1_INLINE {
        const int16x8_t eight = vld1q_s16(reinterpret_cast<const int16_t*>(sums) + s / 8 * 8);
        less.of[0] = vmlal_laneq_s16(less.of[0], vget_low_s16(mins[s]), eight, s % 8);
        less.of[1] = vmlal_high_laneq_s16(less.of[1], mins[s], eight, s % 8);
      });
      unroll<2>([&](auto half) R1_INLINE {
        y.of[half] =
            vfmsq_f32(y.of[half], vcvtq_f32_s32(less.of[half]), vmulq_f32(m.of[half], scale));
      });
    }

    R1_INLINE static Floats load_halves(const uint8_t* at) {
      const uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(at));
      if constexpr (type == DType::kMXFP4) {
        return {{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
                 vreinterpretq_f32_u32(vshll_high_n_u16(halves, 16))}};
      }
      const float16x8_t f16 = vreinterpretq_f16_u16(halves);
      return {{vcvt_f32_f16(vget_low_f16(f16)), vcvt_high_f32_f16(f16)}};
    }

    Floats d, m;
    int16x8_t mins[Packed::kSubs];
  };

  // y [n] of one row group; n == kN where that is not 0.
  template <int kN>
  static void tile(const uint8_t* weights, int64_t cols, const std::byte* x, int n, Floats* y) {
    constexpr int kMost = kN > 0 ? kN : kTokens;
    constexpr bool kPairs = Set::kPairs && kN != 1;
    if constexpr (kN > 0) n = kN;
    const size_t stride = X::bytes(cols);
    const int64_t x_scales = X::scales_at(cols), x_sums = X::sums_at(cols);
    Floats sum[kMost] = {};
    for (int64_t b = 0; b < cols / f.block; ++b, weights += Packed::kBlockBytes) {
      const uint8_t* scales = weights + Packed::kScalesAt;
      Ints dots[kMost + 1];
      const Block block(scales);
      const auto finish = [&](int t) R1_INLINE {
        const std::byte* token = x + stride * static_cast<size_t>(t);
        block.add(sum[t], dots[t], token + x_scales + 4 * b,
                  token + x_sums + X::kSumBytes * Packed::kSubs * b);
      };
      for (int c = 0; c < kChunks; ++c) {
        const uint8_t* chunk = weights + Packed::kChunkBytes * c;
        __builtin_prefetch(chunk + kAhead);
        int8x16_t w[2][8];
        Ints scale[kSubsInChunk];
        unpack(chunk, w);
        if constexpr (kPairs) Set::zip(w);
        if constexpr (f.block == 256) {
          load_scales(scales + Packed::kScaleAt + kSubsInChunk * kRows * c, scale);
        }
        const auto add = [&](auto sub, int t, const Ints& products) R1_INLINE {
          Ints& total = dots[t];
          unroll<2>([&](auto half) R1_INLINE {
            if constexpr (f.block == 32) {
              total.of[half] = products.of[half];
            } else if (sub == 0 && c == 0) {
              total.of[half] = vmulq_s32(products.of[half], scale[sub].of[half]);
            } else {
              total.of[half] = vmlaq_s32(total.of[half], products.of[half], scale[sub].of[half]);
            }
          });
        };
        const auto* a = reinterpret_cast<const int8_t*>(x) + 32 * (b * kChunks + c);
        for (int t = 0; t < n; t += 1 + kPairs) {
          const int8_t* token = a + stride * static_cast<size_t>(t);
          const int8x16_t first[2] = {vld1q_s8(token), vld1q_s8(token + 16)};
          if constexpr (kPairs) {
            const int8_t* next = t + 1 < n ? token + stride : token;  // the last may be odd
            const int8x16_t second[2] = {vld1q_s8(next), vld1q_s8(next + 16)};
            unroll<kSubsInChunk>([&](auto sub) R1_INLINE {
              Ints products[2];
              Set::template dot_pair<f.sub, sub>(w, first, second, products);
              add(sub, t, products[0]);
              add(sub, t + 1, products[1]);
            });
          } else {
            unroll<kSubsInChunk>([&](auto sub) R1_INLINE { add(sub, t, dot<sub>(w, first)); });
          }
        }
      }
      for (int t = 0; t < n; ++t) finish(t);
    }
    for (int t = 0; t < n; ++t) y[t] = sum[t];
  }

  static void multiply(const std::byte* packed, int64_t n_groups, int64_t n_rows, int64_t cols,
                       const std::byte* prepared, int64_t n_tokens, float* y, int64_t y_stride) {
    for_tiles<1>(n_groups, Packed::bytes(cols), n_tokens, kTokens,
                 [&](int64_t g, int64_t n_g, int64_t t, int64_t n) {
                   const std::byte* x = prepared + X::bytes(cols) * static_cast<size_t>(t);
                   for (const int64_t end = g + n_g; g < end; ++g) {
                     const auto* group = reinterpret_cast<const uint8_t*>(packed) +
                                         Packed::bytes(cols) * static_cast<size_t>(g);
                     float* to = y + t * y_stride + g * kRows;
                     Floats sums[kTokens];
                     if (n == 1) {
                       tile<1>(group, cols, x, 1, sums);
                     } else {
                       tile<0>(group, cols, x, static_cast<int>(n), sums);
                     }
                     for (int64_t i = 0; i < n; ++i)
                       store_rows<kRows>(to + i * y_stride, &sums[i], n_rows - g * kRows);
                   }
                 });
  }

  static constexpr MatmulKernel kernel(std::string_view name) {
    return {name,          type,         Compute::kFast, Set::kIsa,  kRows,
            Packed::bytes, Packed::pack, X::bytes,       X::prepare, multiply};
  }
};

}  // namespace r1
