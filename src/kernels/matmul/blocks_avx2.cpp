// Block weights times int8 activations with AVX2: 8 rows by 4 elements in a register, vpmaddubsw,
// sums in 16 bits. A chain is as many steps as 16 bits hold, centred by its start of -offset *
// sum(a); vpmaddwd then widens it and applies the integer scale. Codes of 8 bits are two parts,
// their high and their low nibbles, scaled by 16 and 1.
#include <array>

#include "kernels/matmul/activations_x86.h"
#include "kernels/matmul/decoded.h"
#include "kernels/matmul/float_avx2.h"
#include "kernels/matmul/int8_product.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

template <DType type>
struct Avx2 {
  static constexpr DType kType = type;
  static constexpr Isa kIsa = Isa::kAvx2;
  using X = Activations<type, kIsa>;
  static constexpr Format f = format_of(type);
  static constexpr int kRows = 8;
  static constexpr int kParts = f.bits == 8 ? 2 : 1;
  using Int = __m256i;
  using Float = __m256;

  // The largest |code - offset| that a chain adds up, and the steps of two products each that fit
  // 16 bits.
  static constexpr int kLargest = kParts == 2 ? 15
                                  : f.offset  ? 1 << (f.bits - 1)
                                              : (1 << f.bits) - 1;
  static constexpr int kFits = 32767 / (2 * 127 * kLargest);
  static constexpr int kSteps = kFits >= 8 && f.sub == 32 ? 8 : 4;
  static constexpr int kGroups = 1, kTile = 1;  // 8 of 16 registers are weights
  static_assert(kFits >= kSteps, "no chain overflows, and so no pair of products saturates");

  // The bits [bits j, bits j + bits) of every byte, moved to bit `at`.
  template <int bits, int j, int at>
  R1_INLINE static Int field(Int plane) {
    const Int mask = _mm256_set1_epi8(static_cast<char>(((1 << bits) - 1) << at));
    if constexpr (bits * j > at) plane = _mm256_srli_epi16(plane, bits * j - at);
    if constexpr (bits * j < at) plane = _mm256_slli_epi16(plane, at - bits * j);
    return _mm256_and_si256(plane, mask);
  }

  // The codes of a chunk; of 8-bit codes the high (part 0) or the low nibbles (part 1).
  template <int part>
  R1_INLINE static void unpack(const uint8_t* chunk, Int (&w)[8]) {
    const auto* planes = reinterpret_cast<const Int*>(chunk);
    if constexpr (f.low == 8) {
      unroll<8>([&](auto s)
                    R1_INLINE { w[s] = field<4, 1 - part, 0>(_mm256_loadu_si256(planes + s)); });
    } else {
      unroll<f.low>([&](auto v) R1_INLINE {
        const Int plane = _mm256_loadu_si256(planes + v);
        unroll<8 / f.low>([&](auto j) R1_INLINE { w[v + f.low * j] = field<f.low, j, 0>(plane); });
      });
      unroll<f.high>([&](auto v) R1_INLINE {
        const Int plane = _mm256_loadu_si256(planes + f.low + v);
        unroll<8 / f.high>([&](auto j) R1_INLINE {
          w[v + f.high * j] = _mm256_or_si256(w[v + f.high * j], field<f.high, j, f.low>(plane));
        });
      });
    }
    if constexpr (has_table(type)) {
      const Int table = _mm256_broadcastsi128_si256(
          _mm_load_si128(reinterpret_cast<const __m128i*>(kTable<part>.data())));
      unroll<8>([&](auto s) R1_INLINE { w[s] = _mm256_shuffle_epi8(table, w[s]); });
    }
  }

  // The part of the code that every stored one stands for.
  template <int part>
  static constexpr std::array<uint8_t, 16> make_table() {
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
  alignas(16) static constexpr std::array<uint8_t, 16> kTable = make_table<part>();

  // The scales of a chunk's sub-blocks as vpmaddwd wants them: 16 bits, twice.
  template <int part, bool nibbles>
  R1_INLINE static void load_scales(const uint8_t* scales, Int* scale) {
    constexpr int kFactor = kParts == 2 && part == 0 ? 16 : 1;
    if constexpr (f.block == 32) {
      scale[0] = _mm256_set1_epi16(kFactor);
      return;
    }
    const Int twice = _mm256_setr_epi8(-1, 0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3,  //
                                       -1, 4, -1, 4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7);
    unroll<32 / f.sub>([&](auto s) R1_INLINE {
      Int bytes = _mm256_broadcastq_epi64(load_eight(scales + kRows * s));
      if constexpr (nibbles) bytes = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
      scale[s] = _mm256_srai_epi16(_mm256_shuffle_epi8(bytes, twice), kFactor == 16 ? 4 : 8);
    });
  }

  template <int part>
  R1_INLINE static Int start(const std::byte* starts) {
    return f.offset > 0 && part == 0 ? broadcast(starts) : zero();
  }
  R1_INLINE static Int add_product(Int chain, Int w, Int a) {
    return _mm256_add_epi16(chain, _mm256_maddubs_epi16(w, a));
  }
  R1_INLINE static Int add_chain(Int dots, Int chain, Int scale) {
    return _mm256_add_epi32(dots, _mm256_madd_epi16(chain, scale));
  }

  R1_INLINE static __m128i load_eight(const uint8_t* bytes) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  }

  // Bytes of two sub-blocks' rows as 16-bit pairs; of nibbles the high ones.
  template <bool nibbles>
  R1_INLINE static Int load_pairs(const uint8_t* first, const uint8_t* second) {
    __m128i pairs = _mm_unpacklo_epi8(load_eight(first), load_eight(second));
    if constexpr (nibbles) pairs = _mm_and_si128(_mm_srli_epi16(pairs, 4), _mm_set1_epi8(15));
    return _mm256_cvtepu8_epi16(pairs);
  }

  R1_INLINE static Float load_halves(const uint8_t* at) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    if constexpr (type != DType::kMXFP4) return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }

  // Eight-bit integers of the rows as floats; of nibbles those `shift` bits up.
  template <bool nibbles, int shift>
  R1_INLINE static Float small(const uint8_t* at) {
    __m128i bytes = load_eight(at);
    if constexpr (nibbles) bytes = _mm_and_si128(_mm_srli_epi16(bytes, shift), _mm_set1_epi8(15));
    return to_float(_mm256_cvtepi8_epi32(bytes));
  }

  R1_INLINE static void unpack_codes(const uint8_t* chunk, Int (&w)[8]) {
    unpack<0>(chunk, w);
    if constexpr (kParts == 1) return;
    Int low[8];
    unpack<kParts - 1>(chunk, low);
    unroll<8>([&](auto s)
                  R1_INLINE { w[s] = _mm256_or_si256(_mm256_slli_epi16(w[s], 4), low[s]); });
  }
  // Element e of a step's four, less the offset.
  template <int e>
  R1_INLINE static Float code(Int w) {
    const Int byte = _mm256_and_si256(_mm256_srli_epi32(w, 8 * e), _mm256_set1_epi32(255));
    return to_float(_mm256_sub_epi32(byte, _mm256_set1_epi32(f.offset)));
  }

  R1_INLINE static Int broadcast(const void* four_bytes) {
    int32_t word;
    std::memcpy(&word, four_bytes, 4);
    return _mm256_set1_epi32(word);
  }
  R1_INLINE static Float broadcast_float(const void* at) {
    return _mm256_castsi256_ps(broadcast(at));
  }
  R1_INLINE static Int zero() { return _mm256_setzero_si256(); }
  R1_INLINE static Float zero_float() { return _mm256_setzero_ps(); }
  R1_INLINE static Float to_float(Int i) { return _mm256_cvtepi32_ps(i); }
  R1_INLINE static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  R1_INLINE static Float sub(Float a, Float b) { return _mm256_sub_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  R1_INLINE static Float negated_fma(Float a, Float b, Float c) {
    return _mm256_fnmadd_ps(a, b, c);
  }
  R1_INLINE static Int add_pair_products(Int sum, Int a, Int b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }
};

template <DType type>
constexpr MatmulKernel fast(std::string_view name) {
  return Int8Product<Avx2<type>>::kernel(name);
}

template <DType type>
constexpr MatmulKernel exact(std::string_view name) {
  return exact_kernel<V8, Avx2<type>>(name);
}

constexpr MatmulKernel kKernels[] = {
    fast<DType::kQ4_0>("q4_0/avx2"),          fast<DType::kQ4_1>("q4_1/avx2"),
    fast<DType::kQ5_0>("q5_0/avx2"),          fast<DType::kQ5_1>("q5_1/avx2"),
    fast<DType::kQ8_0>("q8_0/avx2"),          fast<DType::kIQ4_NL>("iq4_nl/avx2"),
    fast<DType::kMXFP4>("mxfp4/avx2"),        fast<DType::kQ2_K>("q2_k/avx2"),
    fast<DType::kQ3_K>("q3_k/avx2"),          fast<DType::kQ4_K>("q4_k/avx2"),
    fast<DType::kQ5_K>("q5_k/avx2"),          fast<DType::kQ6_K>("q6_k/avx2"),
    fast<DType::kIQ4_XS>("iq4_xs/avx2"),      exact<DType::kQ4_0>("q4_0/f32/avx2"),
    exact<DType::kQ4_1>("q4_1/f32/avx2"),     exact<DType::kQ5_0>("q5_0/f32/avx2"),
    exact<DType::kQ5_1>("q5_1/f32/avx2"),     exact<DType::kQ8_0>("q8_0/f32/avx2"),
    exact<DType::kIQ4_NL>("iq4_nl/f32/avx2"), exact<DType::kMXFP4>("mxfp4/f32/avx2"),
    exact<DType::kQ2_K>("q2_k/f32/avx2"),     exact<DType::kQ3_K>("q3_k/f32/avx2"),
    exact<DType::kQ4_K>("q4_k/f32/avx2"),     exact<DType::kQ5_K>("q5_k/f32/avx2"),
    exact<DType::kQ6_K>("q6_k/f32/avx2"),     exact<DType::kIQ4_XS>("iq4_xs/f32/avx2"),
};

}  // namespace

Kernels matmul_blocks_avx2() { return kKernels; }

}  // namespace r1
