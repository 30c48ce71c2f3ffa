// Block weights times int8 activations with AVX-512 VNNI: 16 rows by 4 elements in a register,
// vpdpbusd, whose sums in 32 bits take codes of all 8 bits; the sum of a sub-block starts from
// -offset * sum(a).
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <array>

#include "kernels/matmul/activations_x86.h"
#include "kernels/matmul/decoded.h"
#include "kernels/matmul/float_avx512.h"
#include "kernels/matmul/int8_product.h"
#include "kernels/matmul/variants.h"

namespace r1 {
namespace {

template <DType type>
struct Avx512 {
  static constexpr DType kType = type;
  static constexpr Isa kIsa = Isa::kAvx512;
  using X = Activations<type, kIsa>;
  static constexpr Format f = format_of(type);
  static constexpr int kRows = 16;
  static constexpr int kParts = 1;
  static constexpr int kSteps = f.sub / 4;      // of a chain
  static constexpr int kGroups = 2, kTile = 4;  // 16 registers of weights, 8 of chains
  using Int = __m512i;
  using Float = __m512;

  // The bits [bits j, bits j + bits) of every byte, moved to bit `at`.
  template <int bits, int j, int at>
  R1_INLINE static Int field(Int plane) {
    const Int mask = _mm512_set1_epi8(static_cast<char>(((1 << bits) - 1) << at));
    if constexpr (bits * j > at) plane = _mm512_srli_epi16(plane, bits * j - at);
    if constexpr (bits * j < at) plane = _mm512_slli_epi16(plane, at - bits * j);
    return _mm512_and_si512(plane, mask);
  }

  template <int /*part*/>
  R1_INLINE static void unpack(const uint8_t* chunk, Int (&w)[8]) {
    const auto* planes = reinterpret_cast<const Int*>(chunk);
    unroll<f.low>([&](auto v) R1_INLINE {
      const Int plane = _mm512_loadu_si512(planes + v);
      unroll<8 / f.low>([&](auto j) R1_INLINE { w[v + f.low * j] = field<f.low, j, 0>(plane); });
    });
    unroll<f.high>([&](auto v) R1_INLINE {
      const Int plane = _mm512_loadu_si512(planes + f.low + v);
      unroll<8 / f.high>([&](auto j) R1_INLINE {
        w[v + f.high * j] = _mm512_or_si512(w[v + f.high * j], field<f.high, j, f.low>(plane));
      });
    });
    if constexpr (has_table(type)) {
      const Int table =
          _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kTable.data())));
      unroll<8>([&](auto s) R1_INLINE { w[s] = _mm512_shuffle_epi8(table, w[s]); });
    }
  }

  static constexpr std::array<uint8_t, 16> make_table() {
    std::array<uint8_t, 16> table{};
    for (int i = 0; i < 16; ++i) table[static_cast<size_t>(i)] = table_code(type, i);
    return table;
  }
  alignas(16) static constexpr std::array<uint8_t, 16> kTable = make_table();

  template <int /*part*/, bool nibbles>
  R1_INLINE static void load_scales(const uint8_t* scales, Int* scale) {
    if constexpr (f.block == 32) return void(scale[0] = zero());
    unroll<32 / f.sub>([&](auto s) R1_INLINE {
      __m128i bytes = load_sixteen(scales + kRows * s);
      if constexpr (nibbles) bytes = _mm_and_si128(bytes, _mm_set1_epi8(15));
      scale[s] = _mm512_cvtepi8_epi32(bytes);
    });
  }

  // A chain is the sum of a sub-block, from its start of -offset * sum(a).
  template <int /*part*/>
  R1_INLINE static Int start(const std::byte* starts) {
    return f.offset > 0 ? broadcast(starts) : zero();
  }
  R1_INLINE static Int add_product(Int chain, Int w, Int a) {
    return _mm512_dpbusd_epi32(chain, w, a);
  }
  R1_INLINE static Int add_chain(Int dots, Int chain, Int scale) {
    if constexpr (f.block == 256) chain = _mm512_mullo_epi32(chain, scale);
    return _mm512_add_epi32(dots, chain);
  }

  R1_INLINE static __m128i load_sixteen(const uint8_t* bytes) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  }

  // Bytes of two sub-blocks' rows as 16-bit pairs; of nibbles the high ones.
  template <bool nibbles>
  R1_INLINE static Int load_pairs(const uint8_t* first, const uint8_t* second) {
    const __m128i a = load_sixteen(first), b = load_sixteen(second);
    __m256i pairs = _mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b));
    if constexpr (nibbles)
      pairs = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), _mm256_set1_epi8(15));
    return _mm512_cvtepu8_epi16(pairs);
  }

  R1_INLINE static Float load_halves(const uint8_t* at) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    if constexpr (type != DType::kMXFP4) return _mm512_cvtph_ps(halves);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }

  // Eight-bit integers of the rows as floats; of nibbles those `shift` bits up.
  template <bool nibbles, int shift>
  R1_INLINE static Float small(const uint8_t* at) {
    __m128i bytes = load_sixteen(at);
    if constexpr (nibbles) bytes = _mm_and_si128(_mm_srli_epi16(bytes, shift), _mm_set1_epi8(15));
    return to_float(_mm512_cvtepi8_epi32(bytes));
  }

  R1_INLINE static void unpack_codes(const uint8_t* chunk, Int (&w)[8]) { unpack<0>(chunk, w); }
  // Element e of a step's four, less the offset.
  template <int e>
  R1_INLINE static Float code(Int w) {
    const Int byte = _mm512_and_si512(_mm512_srli_epi32(w, 8 * e), _mm512_set1_epi32(255));
    return to_float(_mm512_sub_epi32(byte, _mm512_set1_epi32(f.offset)));
  }

  R1_INLINE static Int broadcast(const void* four_bytes) {
    int32_t word;
    std::memcpy(&word, four_bytes, 4);
    return _mm512_set1_epi32(word);
  }
  R1_INLINE static Float broadcast_float(const void* at) {
    return _mm512_castsi512_ps(broadcast(at));
  }
  R1_INLINE static Int zero() { return _mm512_setzero_si512(); }
  R1_INLINE static Float zero_float() { return _mm512_setzero_ps(); }
  R1_INLINE static Float to_float(Int i) { return _mm512_cvtepi32_ps(i); }
  R1_INLINE static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  R1_INLINE static Float sub(Float a, Float b) { return _mm512_sub_ps(a, b); }
  R1_INLINE static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  R1_INLINE static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  R1_INLINE static Float negated_fma(Float a, Float b, Float c) {
    return _mm512_fnmadd_ps(a, b, c);
  }
  R1_INLINE static Int add_pair_products(Int sum, Int a, Int b) {
    return _mm512_dpwssd_epi32(sum, a, b);
  }
};

template <DType type>
constexpr MatmulKernel fast(std::string_view name) {
  return Int8Product<Avx512<type>>::kernel(name);
}

template <DType type>
constexpr MatmulKernel exact(std::string_view name) {
  return exact_kernel<V16, Avx512<type>>(name);
}

constexpr MatmulKernel kKernels[] = {
    fast<DType::kQ4_0>("q4_0/avx512"),          fast<DType::kQ4_1>("q4_1/avx512"),
    fast<DType::kQ5_0>("q5_0/avx512"),          fast<DType::kQ5_1>("q5_1/avx512"),
    fast<DType::kQ8_0>("q8_0/avx512"),          fast<DType::kIQ4_NL>("iq4_nl/avx512"),
    fast<DType::kMXFP4>("mxfp4/avx512"),        fast<DType::kQ2_K>("q2_k/avx512"),
    fast<DType::kQ3_K>("q3_k/avx512"),          fast<DType::kQ4_K>("q4_k/avx512"),
    fast<DType::kQ5_K>("q5_k/avx512"),          fast<DType::kQ6_K>("q6_k/avx512"),
    fast<DType::kIQ4_XS>("iq4_xs/avx512"),      exact<DType::kQ4_0>("q4_0/f32/avx512"),
    exact<DType::kQ4_1>("q4_1/f32/avx512"),     exact<DType::kQ5_0>("q5_0/f32/avx512"),
    exact<DType::kQ5_1>("q5_1/f32/avx512"),     exact<DType::kQ8_0>("q8_0/f32/avx512"),
    exact<DType::kIQ4_NL>("iq4_nl/f32/avx512"), exact<DType::kMXFP4>("mxfp4/f32/avx512"),
    exact<DType::kQ2_K>("q2_k/f32/avx512"),     exact<DType::kQ3_K>("q3_k/f32/avx512"),
    exact<DType::kQ4_K>("q4_k/f32/avx512"),     exact<DType::kQ5_K>("q5_k/f32/avx512"),
    exact<DType::kQ6_K>("q6_k/f32/avx512"),     exact<DType::kIQ4_XS>("iq4_xs/f32/avx512"),
};

}  // namespace

Kernels matmul_blocks_avx512() { return kKernels; }

}  // namespace r1
