// Block weights times int8 activations with AVX2: 8 rows by 4 elements in a register, vpmaddubsw,
// sums in 16 bits. A chain is as many steps as 16 bits hold, centred by its start of -offset *
// sum(a); vpmaddwd then widens it and applies the integer scale. Codes of 8 bits are two chains, of
// their high and their low nibbles, scaled by 16 and 1. Integer sums are exact; in F32 remain one
// or two FMAs a block, in the order of K: law 1 (see matmul.h).
#pragma once

#include <immintrin.h>

#include <array>

#include "kernels/matmul/activations_avx2.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/planes.h"
#include "kernels/matmul/unroll.h"

namespace r1::avx2 {

constexpr int kRows = 8;
constexpr int kAhead = 8192;  // bytes that weights are prefetched before use: into the next rows
constexpr int kTokens = 32;   // tokens that share the unpacking of a chunk

template <DType type>
struct Int8 {
  static constexpr Format f = format_of(type);
  using Packed = Planes<type, kRows>;
  using X = Activations<type>;

  static constexpr int kChunks = f.block / 32;
  static constexpr int kParts = f.bits == 8 ? 2 : 1;
  // The largest |code - offset| that a chain adds up, and the steps whose sums of two products fit
  // 16 bits.
  static constexpr int kLargest = kParts == 2 ? 15
                                  : f.offset  ? 1 << (f.bits - 1)
                                              : (1 << f.bits) - 1;
  static constexpr int kFits = 32767 / (2 * 127 * kLargest);
  static constexpr int kSteps = kFits >= 8 && f.sub == 32 ? 8 : 4;
  static constexpr int kChains = 8 / kSteps;
  static_assert(kFits >= kSteps);

  // A part of table_code for all 16 stored codes.
  template <int part>
  static constexpr std::array<uint8_t, 16> make_part_table() {
    std::array<uint8_t, 16> table{};
    for (int i = 0; i < 16; ++i) {
      const int code = table_code(type, i);
      table[static_cast<size_t>(i)] = static_cast<uint8_t>(kParts == 1 ? code
                                                           : part == 0 ? code >> 4
                                                                       : code & 15);
    }
    return table;
  }
  template <int part>
  alignas(16) static constexpr std::array<uint8_t, 16> kPartTable = make_part_table<part>();

  using Codes = __m256i[8];  // step s: elements 4 s ... 4 s + 3 of 8 rows

  // The bits [bits j, bits j + bits) of every byte, moved to bit `at`.
  template <int bits, int j, int at>
  R1_INLINE static __m256i field(__m256i plane) {
    const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << bits) - 1) << at));
    if constexpr (bits * j > at)
      return _mm256_and_si256(_mm256_srli_epi16(plane, bits * j - at), mask);
    if constexpr (bits * j < at)
      return _mm256_and_si256(_mm256_slli_epi16(plane, at - bits * j), mask);
    return _mm256_and_si256(plane, mask);
  }

  // The codes of a chunk; of 8-bit codes the high (part 0) or the low nibbles (part 1).
  template <int part>
  R1_INLINE static void unpack(const uint8_t* chunk, Codes& w) {
    const auto* planes = reinterpret_cast<const __m256i*>(chunk);
    if constexpr (f.low == 8) {
      unroll<8>([&](auto s)
                    R1_INLINE { w[s] = field<4, 1 - part, 0>(_mm256_loadu_si256(planes + s)); });
      return;
    }
    unroll<f.low>([&](auto v) R1_INLINE {
      const __m256i plane = _mm256_loadu_si256(planes + v);
      unroll<8 / f.low>([&](auto j) R1_INLINE { w[v + f.low * j] = field<f.low, j, 0>(plane); });
    });
    if constexpr (f.high > 0) {
      unroll<f.high>([&](auto v) R1_INLINE {
        const __m256i plane = _mm256_loadu_si256(planes + f.low + v);
        unroll<8 / f.high>([&](auto j) R1_INLINE {
          w[v + f.high * j] = _mm256_or_si256(w[v + f.high * j], field<f.high, j, f.low>(plane));
        });
      });
    }
    if constexpr (has_table(type)) {
      const __m256i table = _mm256_broadcastsi128_si256(
          _mm_load_si128(reinterpret_cast<const __m128i*>(kPartTable<part>.data())));
      unroll<8>([&](auto s) R1_INLINE { w[s] = _mm256_shuffle_epi8(table, w[s]); });
    }
  }

  // The products of a chunk with a token, summed over the chunk: 8 rows of int32.
  // `starts`: the token's chain starts of this chunk; `scale`: per sub-block, each 16-bit scale
  // twice.
  template <int part>
  R1_INLINE static __m256i dot(const Codes& w, const int8_t* a, const std::byte* starts,
                               const __m256i* scale) {
    __m256i sum;
    unroll<kChains>([&](auto c) R1_INLINE {
      constexpr int kSub = c * 4 * kSteps / f.sub;  // of this chunk
      __m256i chain;
      if constexpr (f.offset > 0 && part == 0) chain = broadcast(starts + 4 * kSub);
      unroll<kSteps>([&](auto s) R1_INLINE {
        const __m256i products =
            _mm256_maddubs_epi16(w[kSteps * c + s], broadcast(a + 4 * (kSteps * c + s)));
        chain =
            s == 0 && (f.offset == 0 || part == 1) ? products : _mm256_add_epi16(chain, products);
      });
      const __m256i wide = _mm256_madd_epi16(chain, scale[kSub]);
      sum = c == 0 ? wide : _mm256_add_epi32(sum, wide);
    });
    return sum;
  }

  R1_INLINE static __m256i broadcast(const void* four_bytes) {
    int32_t word;
    std::memcpy(&word, four_bytes, 4);
    return _mm256_set1_epi32(word);
  }

  // The scales of a chunk's sub-blocks as vpmaddwd wants them.
  template <int part>
  R1_INLINE static void load_scales(const uint8_t* scales, __m256i* scale) {
    constexpr int kFactor = kParts == 2 && part == 0 ? 16 : 1;
    if constexpr (f.block == 32) {
      scale[0] = _mm256_set1_epi16(kFactor);
      return;
    }
    const __m256i twice =
        _mm256_setr_epi8(-1, 0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3,  //
                         -1, 4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7);
    for (int s = 0; s < 32 / f.sub; ++s) {
      __m256i eight = _mm256_broadcastq_epi64(load_eight(scales + kRows * s));
      if constexpr (Packed::kNibbles) eight = _mm256_and_si256(eight, _mm256_set1_epi8(15));
      const __m256i shifted = _mm256_shuffle_epi8(eight, twice);
      scale[s] = _mm256_srai_epi16(shifted, kFactor == 16 ? 4 : 8);
    }
  }

  static __m128i load_eight(const uint8_t* bytes) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  }

  static __m256 load_halves(const uint8_t* at) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    if constexpr (type != DType::kMXFP4) return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }

  static __m256 broadcast_f32(const void* at) {
    return _mm256_broadcast_ss(static_cast<const float*>(at));
  }

  // What a block adds to the rows' sums once its integers are summed.
  struct Block {
    R1_INLINE explicit Block(const uint8_t* scales) : d(load_halves(scales)) {
      if constexpr (!f.min) return;
      m = load_halves(scales + 2 * kRows);
      if constexpr (f.block == 32) return;
      unroll<Packed::kSubs / 2>([&](auto p) R1_INLINE {
        constexpr int kAt = (Packed::kNibbles ? Packed::kScaleAt : Packed::kMinAt) + 2 * kRows * p;
        __m128i pair =
            _mm_unpacklo_epi8(load_eight(scales + kAt), load_eight(scales + kAt + kRows));
        if constexpr (Packed::kNibbles)
          pair = _mm_and_si128(_mm_srli_epi16(pair, 4), _mm_set1_epi8(15));
        mins[p] = _mm256_cvtepu8_epi16(pair);
      });
    }

    // `xd`, `sums`: the token's scale and its sums of this block.
    R1_INLINE __m256 add(__m256 y, __m256i dots, const std::byte* xd, const std::byte* sums) const {
      const __m256 scale = broadcast_f32(xd);
      y = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), _mm256_mul_ps(d, scale), y);
      if constexpr (!f.min) return y;
      if constexpr (f.block == 32) return _mm256_fmadd_ps(m, broadcast_f32(sums), y);
      __m256i less = _mm256_setzero_si256();
      unroll<Packed::kSubs / 2>([&](auto p) R1_INLINE {
        less = _mm256_add_epi32(less, _mm256_madd_epi16(mins[p], broadcast(sums + 4 * p)));
      });
      return _mm256_fnmadd_ps(_mm256_cvtepi32_ps(less), _mm256_mul_ps(m, scale), y);
    }

    __m256 d, m;
    __m256i mins[8];  // of two sub-blocks: 8 rows of 16-bit pairs
  };

  // y [n][kRows] of one row group; n == kN where that is not 0.
  template <int kN>
  static void tile(const uint8_t* chunk, int64_t cols, const std::byte* x, int n, __m256* y) {
    constexpr int kMost = kN > 0 ? kN : kTokens;
    constexpr int kSubsInChunk = 32 / f.sub;
    const auto each = [&](auto body) R1_INLINE {
      if constexpr (kN > 0) return unroll<kN>(body);
      for (int t = 0; t < n; ++t) body(t);
    };
    const size_t stride = X::bytes(cols);
    const int64_t x_scales = X::scales_at(cols), x_sums = X::sums_at(cols);
    const uint8_t* scales = chunk + Packed::scales_at(cols);
    __m256 sum[kMost];
    each([&](auto t) R1_INLINE { sum[t] = _mm256_setzero_ps(); });
    for (int64_t b = 0; b < cols / f.block; ++b, scales += Packed::kBlockBytes) {
      __m256i dots[kMost];
      each([&](auto t) R1_INLINE { dots[t] = _mm256_setzero_si256(); });
      const Block block(scales);
      const auto finish = [&](auto t) R1_INLINE {
        const std::byte* token = x + stride * static_cast<size_t>(t);
        sum[t] = block.add(sum[t], dots[t], token + x_scales + 4 * b,
                           token + x_sums + X::kSumBytes * Packed::kSubs * b);
      };
      for (int64_t c = b * kChunks; c < (b + 1) * kChunks; ++c, chunk += Packed::kChunkBytes) {
        unroll<(Packed::kChunkBytes + 63) / 64>([&](auto line) R1_INLINE {
          _mm_prefetch(reinterpret_cast<const char*>(chunk) + kAhead + 64 * line, _MM_HINT_T0);
        });
        unroll<kParts>([&](auto part) R1_INLINE {
          Codes w;
          __m256i scale[kSubsInChunk];
          unpack<part>(chunk, w);
          load_scales<part>(scales + Packed::kScaleAt + kSubsInChunk * kRows * (c % kChunks),
                            scale);
          each([&](auto t) R1_INLINE {
            const std::byte* token = x + stride * static_cast<size_t>(t);
            const auto* a = reinterpret_cast<const int8_t*>(token) + 32 * c;
            const std::byte* starts = token + x_sums + 4 * kSubsInChunk * c;
            dots[t] = _mm256_add_epi32(dots[t], dot<part>(w, a, starts, scale));
            if constexpr (f.block == 32 && part == kParts - 1) finish(t);
          });
        });
      }
      if constexpr (f.block == 256) each(finish);
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
        alignas(32) float out[kTokens][kRows];
        auto* sums = reinterpret_cast<__m256*>(out);
        switch (n) {
          case 1:
            tile<1>(group, cols, x, n, sums);
            break;
          case 2:
            tile<2>(group, cols, x, n, sums);
            break;
          case 3:
            tile<3>(group, cols, x, n, sums);
            break;
          case 4:
            tile<4>(group, cols, x, n, sums);
            break;
          default:
            tile<0>(group, cols, x, n, sums);
        }
        const int64_t rows = n_rows - g * kRows < kRows ? n_rows - g * kRows : kRows;
        for (int t = 0; t < n; ++t) {
          std::memcpy(y + (t0 + t) * y_stride + g * kRows, out[t], static_cast<size_t>(rows) * 4);
        }
      }
    }
  }

  static constexpr MatmulKernel kernel(std::string_view name) {
    return {name,          type,         Compute::kFast, Isa::kAvx2, kRows,
            Packed::bytes, Packed::pack, X::bytes,       X::prepare, multiply};
  }
};

}  // namespace r1::avx2
