// Products of gradients with AVX-512; pairs of BF16 by vdpbf16ps.
#ifndef __clang__  // false alarms of GCC 12 in its own intrinsics (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <array>

#include "kernels/gemm/gemm_loop.h"
#include "kernels/vector_avx512.h"

namespace r1 {
namespace {

struct BF16PairStep {
  static constexpr bool kConverts = true;
  static constexpr int kElements = 2;

  R1_INLINE static __m512 add_product(__m512 sum, __m512 a, __m512 b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a),
                            (__m512bh)_mm512_castps_si512(b));
  }

  R1_INLINE static __m512 lanes(const float* from, int64_t stride, int64_t left, __mmask16 m) {
    alignas(64) static constexpr auto kOrder = [] {
      std::array<int16_t, 32> order{};
      for (int16_t i = 0; i < 32; ++i)
        order[static_cast<size_t>(i)] = static_cast<int16_t>(i / 2 + i % 2 * 16);
      return order;
    }();
    const __m512 first = _mm512_maskz_loadu_ps(m, from);
    const __m512 second = left > 1 ? _mm512_maskz_loadu_ps(m, from + stride) : _mm512_setzero_ps();
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(
        _mm512_load_si512(kOrder.data()), (__m512i)_mm512_cvtne2ps_pbh(second, first)));
  }

  static void row(const float* from, int64_t depth, float* to) {
    int64_t k = 0;
    for (; k + 32 <= depth; k += 32) {
      _mm512_storeu_si512(to + k / 2, (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + k + 16),
                                                                   _mm512_loadu_ps(from + k)));
    }
    for (; k < depth; k += 16) {
      const int n = static_cast<int>(std::min<int64_t>(16, depth - k));
      const __m512 floats = _mm512_maskz_loadu_ps(Vector16::first(n), from + k);
      _mm256_mask_storeu_epi32(to + k / 2, static_cast<__mmask8>((1u << (n + 1) / 2) - 1),
                               (__m256i)_mm512_cvtneps_pbh(floats));
    }
  }
};

}  // namespace

void gemm_avx512(const GemmProduct& p) {
  using Loop = GemmLoop<Vector16>;
  p.bf16 ? Loop::multiply<BF16PairStep>(p) : Loop::multiply<F32Step<Vector16>>(p);
}

}  // namespace r1
